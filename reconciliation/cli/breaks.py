"""`reconcile breaks`: list, group, show and work the breaks."""

from datetime import UTC, datetime
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.break_actions import ACTIONS, resume
from reconciliation.cli.break_view import (
    COLUMNS,
    HISTORY_COLUMNS,
    break_line,
    csv_columns,
    csv_row,
    file_payload,
    history_line,
    span_text,
    total_payload,
    total_text,
)
from reconciliation.cli.options import (
    csv_option,
    filter_options,
    filter_words,
    json_option,
    limit_option,
    rows_of,
    say_truncated,
)
from reconciliation.cli.output import print_csv, print_json, print_line, print_table
from reconciliation.messages.break_events import break_payload
from reconciliation.ports.breaks import BreakGroup, BreakSort
from reconciliation.usecases.filters import BREAK_FIELDS, break_filter, break_sort, group_filter


@click.group()
def breaks() -> None:
    """List, show and work the breaks. A break is a difference that more than one run has found."""


for command in (*ACTIONS, resume):
    breaks.add_command(command)


@breaks.command("list")
@filter_options(BREAK_FIELDS)
@click.option(
    "--sort",
    metavar="FIELDS",
    default=BreakSort.FIRST_SEEN_AT.value,
    show_default=True,
    help="The order, such as -severity,-value. A - means from high to low. Fields: "
    f"{', '.join(field.value for field in BreakSort)}.",
)
@click.option("--after", metavar="CURSOR", help="Go on after an earlier list. Its JSON has the cursor as `next`.")
@limit_option(100)
@csv_option()
@json_option("one object with `breaks`, `total`, `truncated` and `next`")
def list_(*, sort: str, after: str | None, limit: int | str, as_csv: bool, as_json: bool, **options: Any) -> None:
    """List the breaks that are not resolved, the oldest first, and their value at stake."""
    now = datetime.now(UTC)
    wanted, keys = break_filter(filter_words(BREAK_FIELDS, options), now), break_sort(sort)
    with open_desk() as desk:
        page = desk.break_pages.page(wanted, sort=keys, limit=rows_of(limit), after=after)
        total = desk.break_reports.total(wanted)
    if as_json:
        shown = [break_payload(case) for case in page.breaks]
        truncated = {"truncated": page.next is not None, "next": page.next}
        print_json({"breaks": shown, "total": total.count, **truncated, "value": total_payload(total)})
    elif as_csv:
        print_csv(csv_columns(), [csv_row(case) for case in page.breaks])
    else:
        print_table(COLUMNS, [break_line(case, now) for case in page.breaks])
        print_line(total_text(total))
    if page.next is not None:
        say_truncated(len(page.breaks), "breaks", total.count)


@breaks.command()
@filter_options(BREAK_FIELDS)
@limit_option(50)
@json_option("one object with `groups` and `truncated`")
def groups(limit: int | str, as_json: bool, **options: Any) -> None:
    """Group the breaks of several accounts by their likely cause, the largest group first.

    Breaks stand together if they have the same symbol, cause and ratio. You can work a group as one: give its filter to
    `reconcile breaks ack --filter`.
    """
    now, rows = datetime.now(UTC), rows_of(limit)
    wanted = break_filter(filter_words(BREAK_FIELDS, options), now)
    with open_desk() as desk:
        found = desk.break_reports.groups(wanted, limit=None if rows is None else rows + 1)
    shown, truncated = found[:rows], rows is not None and len(found) > rows
    if as_json:
        print_json({"groups": [_group_payload(group) for group in shown], "truncated": truncated})
    else:
        columns = ("symbol", "cause", "ratio", "type", "accounts", "severity", "age", "breaks and value", "filter")
        print_table(columns, [_group_line(group, now) for group in shown])
    if truncated:
        say_truncated(len(shown), "groups")


@breaks.command()
@click.argument("break_id")
@json_option("one object with `break`, `history`, `sightings` and `related`")
def show(break_id: str, as_json: bool) -> None:
    """Show one break with its history. BREAK_ID is its id, or the first digits of it.

    Related breaks of the same account are shown too: of the same holding, or cash beside equity.
    """
    with open_desk() as desk:
        found = desk.breaks.show(break_id)
        related = desk.breaks.related(found.case)
    if as_json:
        print_json(file_payload(found, related))
        return
    for name, value in break_payload(found.case).items():
        if name != "hints":
            print_line(f"{name:<14} {'-' if value is None else value}")
    for kind, sentence in found.case.seen.hints:
        print_line(f"{'likely cause':<14} {kind}: {sentence}")
    print_table(HISTORY_COLUMNS, [history_line(change) for change in found.history])
    if related:
        print_table(COLUMNS, [break_line(case, datetime.now(UTC)) for case in related], title="Related breaks")


def _group_line(group: BreakGroup, now: datetime) -> tuple[Any, ...]:
    return (
        group.symbol,
        group.cause,
        group.ratio,
        group.type,
        group.accounts,
        group.severity.value,
        span_text(now - group.first_seen_at),
        total_text(group.total),
        group_filter(group),
    )


def _group_payload(group: BreakGroup) -> dict[str, Any]:
    return {
        "symbol": group.symbol,
        "asset_type": group.asset_type,
        "type": group.type,
        "cause": group.cause,
        "ratio": group.ratio,
        "accounts": group.accounts,
        "severity": group.severity.value,
        "first_seen_at": group.first_seen_at.isoformat(),
        **total_payload(group.total),
        "filter": group_filter(group),
    }
