"""`reconcile breaks`: the cases of differences that last, for the person who works them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciliation.adapters.database.breaks import BreakFile, BreakFilter, SqlBreaks
from reconciliation.cli.break_actions import accept, acknowledge, assign, note, resolve, snooze
from reconciliation.cli.open_parts import Span, open_parts
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.lifecycle import age_of
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import DiscrepancySeverity, DiscrepancyType
from reconciliation.messages.break_events import break_payload

SHORT_ID_DIGITS = 8


@click.group()
def breaks() -> None:
    """List, show and work the breaks: differences that outlast one run."""


for command in (acknowledge, assign, snooze, accept, resolve, note):
    breaks.add_command(command)


@breaks.command("list")
@click.option("--account", "account_id", help="Only of this account.")
@click.option("--symbol", help="Only of this symbol.")
@click.option("--type", "kind", type=click.Choice([kind.value for kind in DiscrepancyType]), help="Only of this type.")
@click.option("--severity", type=click.Choice([severity.value for severity in DiscrepancySeverity]))
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in BreakState]),
    help="Only in this state; may be repeated. Default: all but resolved.",
)
@click.option("--assignee", help="Only what this person has.")
@click.option("--older-than", type=Span(), help="Only what has been seen for longer than this, such as 2d.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(
    kind: str | None, severity: str | None, states: tuple[str, ...], older_than: timedelta | None, **options: Any
) -> None:
    """List the breaks that are not resolved, the oldest first."""
    now = datetime.now(UTC)
    wanted = BreakFilter(
        account_id=options["account_id"],
        symbol=options["symbol"],
        type=None if kind is None else DiscrepancyType(kind),
        severity=None if severity is None else DiscrepancySeverity(severity),
        states=tuple(BreakState(state) for state in states),
        assignee=options["assignee"],
        first_seen_before=None if older_than is None else now - older_than,
    )
    with open_parts() as parts:
        found = SqlBreaks(parts.stores.engine).find(wanted, limit=options["limit"])
    if options["as_json"]:
        print_json({"breaks": [break_payload(case) for case in found]})
        return
    columns = ("break", "account", "symbol", "type", "severity", "state", "local", "broker", "age", "has it", "cause")
    print_table(columns, [_line(case, now) for case in found])
    if len(found) == options["limit"]:
        print_line(f"only the first {len(found)} are shown: narrow the search or raise --limit")


@breaks.command()
@click.argument("break_id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(break_id: str, as_json: bool) -> None:
    """Show one break with its history. BREAK_ID is its id or the beginning of it."""
    with open_parts() as parts:
        found = SqlBreaks(parts.stores.engine).show(break_id)
    if as_json:
        print_json(_file_payload(found))
        return
    for name, value in break_payload(found.case).items():
        if name != "hints":
            print_line(f"{name:<14} {'-' if value is None else value}")
    for kind, sentence in found.case.seen.hints:
        print_line(f"{'likely cause':<14} {kind}: {sentence}")
    print_table(("at", "what", "who", "local", "broker", "note"), [_entry(change) for change in found.history])


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
    return (change.at, change.kind.value, who, change.amounts.local_value, change.amounts.broker_value, change.note)


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
                "until": None if change.until is None else change.until.isoformat(),
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
