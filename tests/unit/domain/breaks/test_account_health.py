from dataclasses import replace
from typing import Any

import pytest

from reconciliation.domain.breaks.account_health import (
    AccountHealth,
    Condition,
    ConditionState,
    after_missed_slot,
    after_run,
    why_not_applied,
)
from reconciliation.domain.breaks.announcements import event_of_account
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import ReconciliationConfig, ReconciliationResult
from reconciliation.domain.model.runs import Fence
from tests.builders.ledger import after, failed_run, run


class Account:
    """One account whose conditions are events of its own, at once."""

    def __init__(self) -> None:
        self.health = AccountHealth(account_id="A")
        self.published: list[str] = []

    def run(
        self, result: ReconciliationResult, *, fence: Fence | None = None, flood_size: int = 0, **known: Any
    ) -> str | None:
        recorded = RecordedRun(result=result, fence=fence, **known)
        why = why_not_applied(self.health, recorded)
        self.health, events = after_run(
            self.health, recorded, not_applied=why, policy=BreakPolicy(), flood_size=flood_size
        )
        self.published += [event.kind for event in events]
        self.announce()
        return why

    def announce(self) -> None:
        kept = {}
        for condition, state in self.health.conditions.items():
            if state.announce_at is not None:
                event = event_of_account("A", condition, state, state.announce_at)
                self.published.append(event.kind)
            if state.until is None:
                kept[condition] = replace(state, announce_at=None)
        self.health = replace(self.health, conditions=kept)


def test_an_older_read_changes_nothing_whichever_side_is_older() -> None:
    account = Account()
    account.run(run(10))
    assert account.run(run(9)) == "older_read"
    assert account.run(run(20, broker_as_of=after(9))) == "older_read"
    assert account.run(run(20, local_as_of=after(9))) == "older_read"
    assert account.run(run(10)) is None
    assert account.health.local_as_of == after(10)


def test_the_older_statement_of_another_connection_counts_once_the_account_is_read_there() -> None:
    account = Account()
    account.run(run(100), connection="live")
    assert account.run(run(200, broker_as_of=after(-5000)), connection="live") == "older_read"
    assert account.run(run(300, broker_as_of=after(-5000)), connection="statements") is None
    assert account.run(run(400, broker_as_of=after(-6000)), connection="statements") == "older_read"


def test_a_side_that_claims_the_future_cannot_lock_the_account() -> None:
    account = Account()
    account.run(run(0, broker_as_of=after(10**8)))
    assert account.run(run(1)) is None


def test_a_run_whose_lease_was_taken_since_changes_nothing() -> None:
    account = Account()
    assert account.run(run(0), fence=Fence(scope="fills", number=7)) is None
    assert account.run(run(1), fence=Fence(scope="fills", number=6)) == "lease_lost"
    assert account.run(run(1), fence=Fence(scope="due", number=1)) is None
    assert account.run(run(2), fence=Fence(scope="fills", number=7)) is None


def test_could_not_run_is_published_once_and_so_is_its_end() -> None:
    account = Account()
    for second in range(5):
        account.run(failed_run(second))
    assert account.published == ["could_not_run"]
    account.run(run(6))
    account.run(run(7))
    assert account.published == ["could_not_run", "runs_recovered"]


def test_two_failures_between_good_runs_are_not_published() -> None:
    account = Account()
    for second, good in enumerate((0, 0, 1, 0, 0, 1)):
        account.run(run(second) if good else failed_run(second))
    assert account.published == []


def test_a_broker_that_only_shows_old_data_is_reported() -> None:
    account = Account()
    account.run(run(10))
    for second in (11, 12, 13):
        account.run(run(second, broker_as_of=after(5)))
    assert account.published == ["could_not_run"]


def test_a_flood_is_published_at_its_begin_and_end_and_an_incomplete_run_ends_none() -> None:
    account = Account()
    account.run(run(0), flood_size=5000)
    account.run(run(1), flood_size=5000)
    account.run(failed_run(2))
    assert account.published == ["flood"]
    account.run(run(3))
    assert account.published == ["flood", "flood_ended"]


def test_a_missed_slot_is_published_once_until_any_run_ends() -> None:
    account = Account()
    for seconds in (100, 200):
        account.health = after_missed_slot(account.health, after(seconds), 60)
        account.announce()
    account.run(failed_run(300))
    assert account.published == ["missed_slot", "schedule_recovered"]
    assert account.health.conditions == {}


def test_an_old_run_that_ends_late_does_not_set_the_last_run_back() -> None:
    account = Account()
    account.health = replace(account.health, last_run_at=after(10))
    account.run(run(5))
    assert account.health.last_run_at == after(10)


MINUTE = ReconciliationConfig("A", interval_seconds=60)


def test_a_slot_that_was_missed_is_known_by_the_late_run_itself() -> None:
    health = AccountHealth(account_id="A")
    for second in (0, 60, 260):
        recorded = RecordedRun(result=run(second), config=MINUTE)
        health, events = after_run(health, recorded, not_applied=None, policy=BreakPolicy())
        assert events == []
    event = event_of_account("A", Condition.MISSED_SLOT, health.conditions[Condition.MISSED_SLOT], after(261))
    assert event.kind == "missed_slot"
    assert event.details == {
        "last_run_at": after(60).isoformat(),
        "interval_seconds": 60,
        "until": after(260).isoformat(),
        "seconds": 200.0,
        "missed_slots": 3,
    }


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (MINUTE, {"trigger": "startup"}),  # it was disabled until now
        (ReconciliationConfig("A", interval_seconds=60, enabled=False), {"trigger": "on_demand"}),
        (ReconciliationConfig("A", interval_seconds=300), {"trigger": "periodic"}),
        (None, {"trigger": "periodic"}),
    ],
)
def test_a_run_that_nobody_promised_earlier_is_not_late(
    config: ReconciliationConfig | None, context: dict[str, Any]
) -> None:
    account = Account()
    account.run(run(0), config=MINUTE)
    account.run(run(200, context=context), config=config)
    assert account.published == []


def test_an_interval_that_was_shortened_makes_no_run_late() -> None:
    account = Account()
    account.run(run(0), config=ReconciliationConfig("A", interval_seconds=3600))
    account.run(run(1800), config=MINUTE)
    assert account.published == []
    account.run(run(2000), config=MINUTE)
    assert account.published == ["missed_slot"]


def test_a_condition_that_a_shared_event_told_ends_without_an_event_of_its_own() -> None:
    account = Account()
    shared = ConditionState(since=after(0), is_shared=True)
    conditions = {condition: shared for condition in Condition if condition is not Condition.STREAM_LAG}
    account.health = replace(account.health, conditions=conditions)
    account.run(run(10))
    assert (account.published, account.health.conditions) == ([], {})


def test_an_account_whose_broker_lists_nothing_is_no_event_by_itself_and_no_flood() -> None:
    health, _ = after_run(
        AccountHealth(account_id="A"),
        RecordedRun(result=run(0), lists_nothing=True),
        not_applied=None,
        policy=BreakPolicy(),
        flood_size=7,
        is_crowd=True,
    )
    assert set(health.conditions) == {Condition.LISTS_NOTHING}
    assert health.flood_runs == 1
