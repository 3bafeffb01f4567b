"""One event of each shape, made by the domain itself: what docs/breaks.md shows."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from reconciliation.domain.breaks.account_health import AccountHealth, Condition, after_missed_slot, after_run
from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.announcements import Tally, announce, event_of_account
from reconciliation.domain.breaks.break_ import Break, BreakEvent
from reconciliation.domain.breaks.lifecycle import advance
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.domain.model.models import ValueAtStake, ValueBasis
from reconciliation.messages.break_events import event_payload
from tests.builders.ledger import after, failed_run, finding, run

RUN_ID = UUID("3f1d7a52-2f4e-4d0a-9a34-6f6a1f6b7c01")


def _opened() -> tuple[Break, dict[str, Any]]:
    value = ValueAtStake(amount=Decimal("37450.00"), currency="USD", basis=ValueBasis.MARKET_VALUE)
    found = replace(finding(broker="-100"), value=value)
    first = advance([], RecordedRun(result=run(0, found)), BreakPolicy())
    confirming = run(5, found, run_id=RUN_ID)
    ((case, change),) = advance(first.breaks, RecordedRun(result=confirming), BreakPolicy()).changes
    return case, event_payload(BreakEvent(case=case, change=change), 1)


def _by_hand(case: Break) -> dict[str, Any]:
    action = BreakAction(kind=BreakEventKind.ACKNOWLEDGED, actor="ann", at=after(60), note="asking the broker")
    after_it, change = act(case, action)
    return event_payload(BreakEvent(case=after_it, change=change), 2)


def _of_account(health: AccountHealth, condition: Condition, second: float, sequence: int) -> dict[str, Any]:
    event = event_of_account("A", condition, health.conditions[condition], after(second))
    return event_payload(event, sequence)


def _could_not_run() -> dict[str, Any]:
    health = AccountHealth(account_id="A")
    for second in (0, 300, 600):
        recorded = RecordedRun(result=failed_run(second, run_id=RUN_ID))
        health, _ = after_run(health, recorded, not_applied="incomplete", policy=BreakPolicy())
    return _of_account(health, Condition.COULD_NOT_RUN, 600, 3)


def _flood() -> dict[str, Any]:
    recorded = RecordedRun(result=run(0, run_id=RUN_ID))
    health, _ = after_run(
        AccountHealth(account_id="A"), recorded, not_applied=None, policy=BreakPolicy(), flood_size=5000
    )
    return _of_account(health, Condition.FLOOD, 0, 4)


def _missed_slot() -> dict[str, Any]:
    health = after_missed_slot(AccountHealth(account_id="A", last_run_at=after(0)), after(455), 300)
    return _of_account(health, Condition.MISSED_SLOT, 455, 5)


def _shared() -> dict[str, Any]:
    details = {"reason": "incomplete", "error": "unavailable", "side": "broker", "message": "no answer"}
    tally = Tally(
        condition=Condition.COULD_NOT_RUN,
        connection="ibkr-1",
        pending=1600,
        live=1600,
        failing=100_000,
        since=after(600),
        some=("A", "B"),
        example=details,
    )
    (event,) = announce([tally], [], after(605), flood_cap=50).events
    return event_payload(event, 1)


_case, _first = _opened()
EXAMPLES = {
    "opened": _first,
    "acknowledged": _by_hand(_case),
    "could_not_run": _could_not_run(),
    "flood": _flood(),
    "missed_slot": _missed_slot(),
    "shared": _shared(),
}
