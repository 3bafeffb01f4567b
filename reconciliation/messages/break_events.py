"""The JSON of the events on channel `reconciliation:break` and stream `reconciliation:events`. Pure.

`docs/breaks.md` is the reference for readers; a test keeps both equal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from reconciliation.domain.breaks.apply_runs import Event
from reconciliation.domain.breaks.break_ import Break, BreakEvent
from reconciliation.domain.model.values import decimal_text
from reconciliation.messages.runs import value_payload

BREAK_CHANNEL = "reconciliation:break"
EVENT_STREAM = "reconciliation:events"

#: The version of what is written here; added fields do not raise it.
SCHEMA = 1

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:reconciliation-workers:event")


def event_payload(event: Event, sequence: int) -> dict[str, Any]:
    """Return the message of an event that is the `sequence`-th of its account."""
    if isinstance(event, BreakEvent):
        case, change, run_id = event.case, event.change, event.change.run_id
        said = {"actor": change.actor, "note": change.note, "previous_assignee": change.previous_assignee}
        kind, content = change.kind.value, {**said, "break": break_payload(case)}
    else:
        run_id = event.run_id
        kind, content = event.kind, {"details": dict(event.details)}
    return {
        "schema": SCHEMA,
        "event_id": str(event_id(event)),
        "kind": kind,
        "at": _time(event.at),
        "account_id": event.account_id,
        "sequence": sequence,
        "run_id": None if run_id is None else str(run_id),
        **content,
    }


def event_id(event: Event) -> UUID:
    """Return the id of an event: the same however often it is made or delivered."""
    if isinstance(event, BreakEvent):
        return uuid5(_NAMESPACE, f"{event.case.break_id}/{event.change.number}/{_time(event.at)}")
    # Events of many accounts have one account id: the connection tells them apart.
    scope = f"{event.account_id}/{event.details['connection']}" if "connection" in event.details else event.account_id
    return uuid5(_NAMESPACE, f"{scope}/{event.kind}/{_time(event.at)}")


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
        **value_payload(case.seen.value),
        "ratio": case.seen.ratio,
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
    account, case = payload["account_id"], payload.get("break")
    if case is None:
        details = dict(payload["details"])
        many = f"connection {details.pop('connection')}" if "connection" in details else "the whole system"
        said = ", ".join(f"{name} {_words(value)}" for name, value in details.items())
        return f"{payload['kind']}: {account or many} ({said})"
    where = case["symbol"] or case["currency"] or "account"
    by = f" by {payload['actor']}" if payload["actor"] else ""
    if payload.get("previous_assignee") not in (None, case["assignee"]):
        by += f", before {payload['previous_assignee']}"
    values = f"local {case['local_value'] or '-'}, broker {case['broker_value'] or '-'}"
    return f"{payload['kind']}{by}: {account} {where} {case['type']} ({case['severity']}; {values})"


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
