"""`reconcile runs`: the recorded runs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciliation.adapters.database.runs import RunFilter, SqlRuns
from reconciliation.cli.open_parts import Span, open_parts
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.models import Outcome, Trigger

SHORT_ID_DIGITS = 8


@click.group()
def runs() -> None:
    """List and show the recorded runs, clean and incomplete ones too."""


@runs.command("list")
@click.option("--account", "account_id", help="Only of this account.")
@click.option("--outcome", type=click.Choice([outcome.value for outcome in Outcome]))
@click.option("--trigger", type=click.Choice([trigger.value for trigger in Trigger]))
@click.option("--since", type=Span(), help="Only of the last 8h, 2d ...")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="At most so many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(outcome: str | None, trigger: str | None, since: timedelta | None, **options: Any) -> None:
    """List runs, the newest first."""
    wanted = RunFilter(
        account_id=options["account_id"],
        outcome=None if outcome is None else Outcome(outcome),
        trigger=None if trigger is None else Trigger(trigger),
        since=None if since is None else datetime.now(UTC) - since,
    )
    with open_parts() as parts:
        found = SqlRuns(parts.stores.engine).find(wanted, limit=options["limit"])
    if options["as_json"]:
        print_json({"runs": [_payload(run) for run in found]})
        return
    print_table(
        ("run", "account", "at", "trigger", "outcome", "changed no break", "findings", "positions", "ms"),
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run_id: str, as_json: bool) -> None:
    """Show one run with its findings. RUN_ID is its id or the beginning of it."""
    with open_parts() as parts:
        run, findings = SqlRuns(parts.stores.engine).show(run_id)
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
