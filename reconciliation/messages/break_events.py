"""The JSON of the events on channel `reconciliation:break` and stream `reconciliation:events`. Pure.

`docs/breaks.md` is the reference for readers; a test keeps both equal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from reconciliation.domain.breaks.account_health import AccountEvent
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.model.values import decimal_text

BREAK_CHANNEL = "reconciliation:break"
EVENT_STREAM = "reconciliation:events"

#: The version of what is written here; added fields do not raise it.
SCHEMA = 1

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:reconciliation-workers:event")


def break_event_payload(case: Break, change: BreakChange, sequence: int) -> dict[str, Any]:
    """Return the message for one change of one break; `case` is the break after it."""
    at = change.at.isoformat()
    return {
        "schema": SCHEMA,
        "event_id": str(_event_id(f"{case.break_id}/{change.number}/{at}")),
        "kind": change.kind.value,
        "at": at,
        "account_id": case.key.account_id,
        "sequence": sequence,
        "run_id": _id(change.run_id),
        "actor": change.actor,
        "note": change.note,
        "break": break_payload(case),
    }


def account_event_payload(event: AccountEvent, sequence: int) -> dict[str, Any]:
    """Return the message for the beginning or end of a condition of a whole account."""
    at = event.at.isoformat()
    return {
        "schema": SCHEMA,
        "event_id": str(_event_id(f"{event.account_id}/{event.kind}/{at}")),
        "kind": event.kind,
        "at": at,
        "account_id": event.account_id,
        "sequence": sequence,
        "run_id": _id(event.run_id),
        "details": dict(event.details),
    }


def break_payload(case: Break) -> dict[str, Any]:
    """Return a break as JSON: in events and on the command line. Values are strings or null."""
    key, amounts = case.key, case.seen.amounts
    return {
        "break_id": str(case.break_id),
        "account_id": key.account_id,
        "type": key.type.value,
        "symbol": key.symbol,
        "asset_type": None if key.asset_type is None else key.asset_type.value,
        "currency": key.currency,
        "state": case.state.value,
        "severity": case.severity.value,
        "local_value": decimal_text(amounts.local_value),
        "broker_value": decimal_text(amounts.broker_value),
        "difference": decimal_text(amounts.difference),
        "first_seen_at": _time(case.first_seen_at),
        "last_seen_at": _time(case.seen.last_seen_at),
        "opened_at": _time(case.opened_at),
        "resolved_at": _time(case.resolved_at),
        "open_count": case.open_count,
        "sightings": case.seen.count,
        "assignee": case.assignee,
        "note": case.note,
        "until": _time(case.until),
        "change_limit": decimal_text(case.change_limit),
        "hints": [{"kind": kind, "text": text} for kind, text in case.seen.hints],
    }


def event_sentence(payload: Mapping[str, Any]) -> str:
    """Return an event as one line for a person."""
    account = payload["account_id"] or "the whole system"
    case = payload.get("break")
    if case is None:
        details = ", ".join(f"{name} {value}" for name, value in payload["details"].items())
        return f"{payload['kind']}: {account} ({details})"
    where = case["symbol"] or case["currency"] or "account"
    by = f" by {payload['actor']}" if payload["actor"] else ""
    values = f"local {case['local_value'] or '-'}, broker {case['broker_value'] or '-'}"
    return f"{payload['kind']}{by}: {account} {where} {case['type']} ({case['severity']}; {values})"


def _event_id(name: str) -> UUID:
    return uuid5(_NAMESPACE, name)


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
