"""`reconcile report`: reports over all breaks."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.break_view import SHORT_ID_DIGITS, sum_text, total_payload, total_text
from reconciliation.cli.options import csv_option, filter_options, filter_words, json_option
from reconciliation.cli.output import print_csv, print_json, print_line, print_table
from reconciliation.ports.breaks import AGE_GROUPS, ActivityEntry, ActivityFilter, BreakDimension
from reconciliation.support.wording import counted
from reconciliation.usecases.filters import BREAK_FIELDS, break_dimensions, break_filter, read_moment

_AGES = [name for name, _ in AGE_GROUPS]
_DEFAULT_BY = "account,type,severity"
#: What actions of people are counted by.
_ACTIVITY = ("person", "kind", "day", "account", "symbol", "type")


@click.group()
def report() -> None:
    """Print reports over all breaks."""


@report.command("ageing")
@filter_options(BREAK_FIELDS)
@click.option(
    "--by",
    metavar="DIMENSIONS",
    default=_DEFAULT_BY,
    show_default=True,
    help=f"What the breaks are counted by: one or more of {', '.join(each.value for each in BreakDimension)}.",
)
@csv_option()
@json_option("one object with `ageing` and `total`")
def ageing_(by: str, as_csv: bool, as_json: bool, **options: Any) -> None:
    """Count the open breaks by days since the first sighting, with their value at stake.

    Suspected and resolved breaks are not counted. A break of an account with several labels counts under each label.
    """
    now, dimensions = datetime.now(UTC), break_dimensions(by)
    wanted = break_filter(filter_words(BREAK_FIELDS, options), now)
    with open_desk() as desk:
        lines = desk.break_reports.ageing(wanted, dimensions, now)
        whole = desk.break_reports.ageing(wanted, (), now)
    total = whole[0].total if whole else None
    names = ["account_id" if each is BreakDimension.ACCOUNT else each.value for each in dimensions]
    if as_json:
        payload = [
            {
                **dict(zip(names, line.group, strict=True)),
                "total": line.total.count,
                "buckets": dict(zip(_AGES, line.counts, strict=True)),
                "value": total_payload(line.total),
            }
            for line in lines
        ]
        print_json({"ageing": payload, "total": None if total is None else total_payload(total)})
        return
    columns = (*(each.value for each in dimensions), *_AGES, "total", "value at stake")
    rows = [
        (*(text or None for text in line.group), *line.counts, line.total.count, sum_text(line.total)) for line in lines
    ]
    if as_csv:
        print_csv(columns, rows)
        return
    print_table(columns, rows)
    print_line(f"{'0 breaks' if total is None else total_text(total)}: not resolved")


@report.command("activity")
@click.option(
    "--since",
    metavar="TIME",
    default="1d",
    show_default=True,
    help="Include actions after this time: a span such as 1d, or a date.",
)
@click.option("--until", metavar="TIME", help="Include actions before this time: a span such as 1d, or a date.")
@click.option(
    "--person", "persons", metavar="NAME", multiple=True, help="Include only this person. You may repeat the option."
)
@click.option(
    "--by",
    metavar="DIMENSIONS",
    help=f"Count the actions by one or more of {', '.join(_ACTIVITY)}. Default: list every action.",
)
@csv_option()
@json_option("one object with a list `activity`")
def activity(
    *, since: str, until: str | None, persons: tuple[str, ...], by: str | None, as_csv: bool, as_json: bool
) -> None:
    """Show what people did to breaks, the newest first."""
    now = datetime.now(UTC)
    wanted = ActivityFilter(
        since=read_moment(since, lambda span: now - span),
        until=None if until is None else read_moment(until, lambda span: now - span),
        persons=persons,
    )
    dimensions = None if by is None else [word.strip() for word in by.split(",")]
    for word in dimensions or ():
        if word not in _ACTIVITY:
            raise click.UsageError(f"actions cannot be counted by {word!r}; dimensions are: {', '.join(_ACTIVITY)}")
    with open_desk() as desk:
        entries = desk.break_reports.activity(wanted)
    columns, rows = _listed(entries) if dimensions is None else _counted(entries, dimensions)
    if as_json:
        named = [{name: _plain(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
        print_json({"activity": named})
    elif as_csv:
        print_csv(columns, rows)
    else:
        print_table(columns, rows)
        print_line(counted(len(entries), "action"))


def _listed(entries: Iterable[ActivityEntry]) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns = ["at", "person", "kind", "break", "account", "symbol", "type", "note"]
    return columns, [
        (
            entry.at,
            entry.person,
            entry.kind.value,
            entry.break_id.hex[:SHORT_ID_DIGITS],
            entry.account_id,
            entry.symbol,
            entry.type,
            entry.note,
        )
        for entry in entries
    ]


def _counted(entries: Iterable[ActivityEntry], dimensions: list[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
    counts = Counter(tuple(_dimension(entry, name) for name in dimensions) for entry in entries)
    return [*dimensions, "actions"], [(*group, count) for group, count in counts.most_common()]


def _dimension(entry: ActivityEntry, name: str) -> str | None:
    return {
        "person": entry.person,
        "kind": entry.kind.value,
        "day": f"{entry.at:%Y-%m-%d}",
        "account": entry.account_id,
        "symbol": entry.symbol,
        "type": entry.type,
    }[name]


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, datetime) else cell
