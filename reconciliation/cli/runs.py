"""`reconcile runs`: the recorded runs."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import filter_options, filter_words, json_option, limit_option, rows_of, say_truncated
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.usecases.filters import RUN_FIELDS, run_filter

SHORT_ID_DIGITS = 8


@click.group()
def runs() -> None:
    """List and show the recorded runs."""


@runs.command("list")
@filter_options(RUN_FIELDS)
@limit_option(50)
@json_option("one object with `runs` and `truncated`")
def list_(limit: int | str, as_json: bool, **options: Any) -> None:
    """List the runs, the newest first: clean, with discrepancies, and incomplete."""
    rows = rows_of(limit)
    wanted = run_filter(filter_words(RUN_FIELDS, options), datetime.now(UTC))
    with open_desk() as desk:
        # One more than is shown: a count of all runs would read the whole table.
        found = desk.runs.find(wanted, limit=None if rows is None else rows + 1)
    truncated = rows is not None and len(found) > rows
    found = found[:rows]
    if as_json:
        print_json({"runs": [_payload(run) for run in found], "truncated": truncated})
    else:
        _print_runs(found)
    if truncated:
        say_truncated(len(found), "runs")


def _print_runs(found: list[Any]) -> None:
    print_table(
        ("run", "account", "at", "trigger", "outcome", "not applied", "findings", "positions", "ms"),
        [
            (
                run["run_id"].hex[:SHORT_ID_DIGITS],
                run["account_id"],
                run["timestamp"],
                run["trigger"],
                run["outcome"],
                run["not_applied"],
                run["discrepancy_count"],
                run["positions_checked"],
                round(run["duration_ms"]),
            )
            for run in found
        ],
    )


@runs.command()
@click.argument("run_id")
@json_option("one object with `run` and `findings`")
def show(run_id: str, as_json: bool) -> None:
    """Show one run with its findings. RUN_ID is its id, or the first digits of it."""
    with open_desk() as desk:
        run, findings = desk.runs.show(run_id)
    if as_json:
        print_json({"run": _payload(run), "findings": [_payload(found) for found in findings]})
        return
    for name, value in _payload(run).items():
        print_line(f"{name:<18} {'-' if value is None else _text(value)}")
    if findings:
        columns = ("type", "severity", "symbol", "asset_type", "currency", "local_value", "broker_value")
        print_table(columns, [[found[name] for name in columns] for found in findings])


def _payload(row: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else _plain(value)
        for name, value in row.items()
        if name != "id"
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str, list, dict)) else str(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
