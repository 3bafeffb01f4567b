"""How breaks are shown: lines of a list, one break with its history, totals."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from reconciliation.cli.run_view import value_text
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakKey
from reconciliation.domain.breaks.lifecycle import age_of
from reconciliation.domain.model.models import DiscrepancyType
from reconciliation.domain.model.values import decimal_text
from reconciliation.messages.break_events import break_payload
from reconciliation.messages.runs import value_payload
from reconciliation.ports.breaks import BreakFile, Total
from reconciliation.support.wording import counted

SHORT_ID_DIGITS = 8
COLUMNS = (
    "break",
    "account",
    "symbol",
    "type",
    "severity",
    "state",
    "local",
    "broker",
    "value at stake",
    "age",
    "assignee",
    "cause",
)

HISTORY_COLUMNS = ("at", "what", "who", "local", "broker", "terms", "note")


def break_line(case: Break, now: datetime) -> tuple[Any, ...]:
    """Return a break under `COLUMNS`."""
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
        value_text(value_payload(case.seen.value)),
        span_text(age_of(case, now)),
        case.assignee,
        ", ".join(kind for kind, _ in case.seen.hints) or None,
    )


#: For the names of the fields.
EMPTY = Break(key=BreakKey(account_id="", type=DiscrepancyType.CASH_MISMATCH))


def csv_columns() -> list[str]:
    """Return the columns of a break in CSV: the fields of its JSON, with the cause in place of the hints."""
    return [*(name for name in break_payload(EMPTY) if name != "hints"), "cause"]


def csv_row(case: Break) -> list[Any]:
    """Return a break under `csv_columns`. Numbers stay numbers."""
    payload, value = break_payload(case), case.seen.value
    amounts = case.seen.amounts
    numbers = {
        "local_value": amounts.local_value,
        "broker_value": amounts.broker_value,
        "difference": amounts.difference,
        "value_at_stake": None if value is None else value.amount,
        "change_limit": case.change_limit,
    }
    return [*((payload | numbers)[name] for name in payload if name != "hints"), case.seen.cause]


def total_text(total: Total) -> str:
    """Return a count with its value at stake, such as `3 breaks, 100.00 USD, 5.00 EUR, 1 of unknown value`."""
    return ", ".join(filter(None, [counted(total.count, "break"), sum_text(total)]))


def sum_text(total: Total) -> str:
    """Return a value at stake by currency, such as `100.00 USD, 5.00 EUR, 1 of unknown value`."""
    amounts = [f"{amount:f} {currency or '?'}" for currency, amount in sorted(total.values.items())]
    unknown = [f"{total.unknown} of unknown value"] if total.unknown else []
    return ", ".join([*amounts, *unknown])


def total_payload(total: Total) -> dict[str, Any]:
    """Return a total as JSON. The currency of a value is empty where neither side names one."""
    values = {currency: decimal_text(amount) for currency, amount in sorted(total.values.items())}
    return {"count": total.count, "value_at_stake": values, "unknown_value": total.unknown}


def history_line(change: BreakChange) -> tuple[Any, ...]:
    """Return an entry of a history under `HISTORY_COLUMNS`."""
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


def file_payload(found: BreakFile, related: Sequence[Break]) -> dict[str, Any]:
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
                "change_limit": decimal_text(change.change_limit),
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
        "related": [break_payload(case) for case in related],
    }


def span_text(span: timedelta) -> str:
    """Return a span in its largest unit: 3d, 5h, 12m, 40s."""
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
