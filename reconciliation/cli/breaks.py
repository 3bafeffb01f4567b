"""`reconcile breaks`: list, show and work the breaks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.break_actions import ACTIONS
from reconciliation.cli.options import (
    filter_options,
    filter_words,
    json_option,
    limit_option,
    rows_of,
    say_truncated,
)
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.lifecycle import age_of
from reconciliation.messages.break_events import break_payload
from reconciliation.ports.breaks import BreakFile
from reconciliation.usecases.filters import BREAK_FIELDS, break_filter

SHORT_ID_DIGITS = 8


@click.group()
def breaks() -> None:
    """List, show and work the breaks. A break is a difference that more than one run has found."""


for command in ACTIONS:
    breaks.add_command(command)


@breaks.command("list")
@filter_options(BREAK_FIELDS)
@limit_option(100)
@json_option("one object with `breaks`, `total` and `truncated`")
def list_(limit: int | str, as_json: bool, **options: Any) -> None:
    """List the breaks that are not resolved, the oldest first."""
    now = datetime.now(UTC)
    wanted = break_filter(filter_words(BREAK_FIELDS, options), now)
    with open_desk() as desk:
        found = desk.breaks.find(wanted, limit=rows_of(limit))
        total = desk.breaks.count(wanted) if len(found) == limit else len(found)
    truncated = total > len(found)
    if as_json:
        print_json({"breaks": [break_payload(case) for case in found], "total": total, "truncated": truncated})
    else:
        columns = (
            "break", "account", "symbol", "type", "severity", "state", "local", "broker", "age", "assignee", "cause",
        )  # fmt: skip
        print_table(columns, [_line(case, now) for case in found])
    if truncated:
        say_truncated(len(found), "breaks", total)


@breaks.command()
@click.argument("break_id")
@json_option("one object with `break`, `history` and `sightings`")
def show(break_id: str, as_json: bool) -> None:
    """Show one break with its history. BREAK_ID is its id, or the first digits of it."""
    with open_desk() as desk:
        found = desk.breaks.show(break_id)
    if as_json:
        print_json(_file_payload(found))
        return
    for name, value in break_payload(found.case).items():
        if name != "hints":
            print_line(f"{name:<14} {'-' if value is None else value}")
    for kind, sentence in found.case.seen.hints:
        print_line(f"{'likely cause':<14} {kind}: {sentence}")
    print_table(("at", "what", "who", "local", "broker", "terms", "note"), [_entry(change) for change in found.history])


def _line(case: Break, now: datetime) -> tuple[Any, ...]:
    amounts, key = case.seen.amounts, case.key
    return (
        case.break_id.hex[:SHORT_ID_DIGITS],
        key.account_id,
        key.symbol or key.currency,
        key.type.value,
        case.severity.value,
        case.state.value,
        amounts.local_value,
        amounts.broker_value,
        span_text(age_of(case, now)),
        case.assignee,
        ", ".join(kind for kind, _ in case.seen.hints) or None,
    )


def _entry(change: BreakChange) -> tuple[Any, ...]:
    who = change.actor or ("run " + change.run_id.hex[:SHORT_ID_DIGITS] if change.run_id else None)
    amounts = change.amounts
    return (change.at, change.kind.value, who, amounts.local_value, amounts.broker_value, _terms(change), change.note)


def _terms(change: BreakChange) -> str | None:
    """Return to whom, from whom, until when and up to how much, as far as the entry says."""
    parts = [
        f"to {change.assignee}" if change.assignee else "",
        f"from {change.previous_assignee}" if change.previous_assignee not in (None, change.assignee) else "",
        f"until {change.until:%Y-%m-%d %H:%M} UTC" if change.until else "",
        f"up to {change.change_limit:f}" if change.change_limit is not None else "",
    ]
    return ", ".join(part for part in parts if part) or None


def _file_payload(found: BreakFile) -> dict[str, Any]:
    return {
        "break": break_payload(found.case),
        "history": [
            {
                "number": change.number,
                "kind": change.kind.value,
                "at": change.at.isoformat(),
                "actor": change.actor,
                "run_id": None if change.run_id is None else str(change.run_id),
                "note": change.note,
                "assignee": change.assignee,
                "previous_assignee": change.previous_assignee,
                "until": None if change.until is None else change.until.isoformat(),
                "change_limit": None if change.change_limit is None else f"{change.change_limit:f}",
            }
            for change in found.history
        ],
        "sightings": [
            {
                "run_id": str(seen.run_id),
                "timestamp": seen.timestamp.isoformat(),
                "local_value": None if seen.local_value is None else f"{seen.local_value:f}",
                "broker_value": None if seen.broker_value is None else f"{seen.broker_value:f}",
            }
            for seen in found.sightings
        ],
    }


def span_text(span: timedelta) -> str:
    """Return a span in its largest unit: 3d, 5h, 12m, 40s."""
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
