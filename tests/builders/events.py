"""One event of each shape, made by the domain itself: what docs/breaks.md shows."""

from typing import Any
from uuid import UUID

from reconciliation.domain.breaks.account_health import AccountHealth, after_missed_slot, after_run
from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Break
from reconciliation.domain.breaks.lifecycle import advance
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.messages.break_events import account_event_payload, break_event_payload
from tests.builders.ledger import after, failed_run, finding, run

RUN_ID = UUID("3f1d7a52-2f4e-4d0a-9a34-6f6a1f6b7c01")


def _opened() -> tuple[Break, dict[str, Any]]:
    first = advance([], run(0, finding(broker="-100")), BreakPolicy())
    confirming = run(5, finding(broker="-100"), run_id=RUN_ID)
    second = advance(first.breaks, confirming, BreakPolicy())
    (case,), ((_, change),) = second.breaks, second.changes
    return case, break_event_payload(case, change, 1)


def _by_hand(case: Break) -> dict[str, Any]:
    action = BreakAction(kind=BreakEventKind.ACKNOWLEDGED, actor="ann", at=after(60), note="asking the broker")
    return break_event_payload(*act(case, action), 2)


def _could_not_run() -> dict[str, Any]:
    health = AccountHealth(account_id="A")
    for second in (0, 300, 600):
        health, events = after_run(
            health,
            failed_run(second, run_id=RUN_ID),
            fence=None,
            not_applied="incomplete",
            flood_size=0,
            failed_runs_before_alert=3,
        )
    return account_event_payload(events[0], 3)


def _flood() -> dict[str, Any]:
    _, events = after_run(
        AccountHealth(account_id="A"),
        run(0, run_id=RUN_ID),
        fence=None,
        not_applied=None,
        flood_size=5000,
        failed_runs_before_alert=3,
    )
    return account_event_payload(events[0], 4)


def _missed_slot() -> dict[str, Any]:
    _, events = after_missed_slot(AccountHealth(account_id="A", last_run_at=after(0)), after(455), 300)
    return account_event_payload(events[0], 5)


_case, _first = _opened()
EXAMPLES = {
    "opened": _first,
    "acknowledged": _by_hand(_case),
    "could_not_run": _could_not_run(),
    "flood": _flood(),
    "missed_slot": _missed_slot(),
}
