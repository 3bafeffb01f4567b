from dataclasses import replace
from typing import Any

from reconciliation.domain.breaks.account_health import (
    AccountHealth,
    Condition,
    after_missed_slot,
    after_run,
    why_not_applied,
)
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import Fence
from tests.builders.ledger import after, failed_run, run


class Account:
    def __init__(self) -> None:
        self.health = AccountHealth(account_id="A")
        self.published: list[str] = []

    def run(self, result: ReconciliationResult, *, fence: Fence | None = None, flood_size: int = 0) -> str | None:
        why = why_not_applied(self.health, result, fence)
        self.health, events = after_run(
            self.health, result, fence=fence, not_applied=why, flood_size=flood_size, failed_runs_before_alert=3
        )
        self.published += [event.kind for event in events]
        return why


def test_an_older_read_changes_nothing_whichever_side_is_older() -> None:
    account = Account()
    account.run(run(10))
    assert account.run(run(9)) == "older_read"
    assert account.run(run(20, broker_as_of=after(9))) == "older_read"
    assert account.run(run(20, local_as_of=after(9))) == "older_read"
    assert account.run(run(10)) is None
    assert account.health.local_as_of == after(10)


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


def test_could_not_run_is_told_once_and_so_is_its_end() -> None:
    account = Account()
    for second in range(5):
        account.run(failed_run(second))
    assert account.published == ["could_not_run"]
    account.run(run(6))
    account.run(run(7))
    assert account.published == ["could_not_run", "runs_recovered"]


def test_two_failures_between_good_runs_are_not_told() -> None:
    account = Account()
    for second, good in enumerate((0, 0, 1, 0, 0, 1)):
        account.run(run(second) if good else failed_run(second))
    assert account.published == []


def test_a_broker_that_only_shows_old_figures_is_told() -> None:
    account = Account()
    account.run(run(10))
    for second in (11, 12, 13):
        account.run(run(second, broker_as_of=after(5)))
    assert account.published == ["could_not_run"]


def test_a_flood_is_told_at_its_begin_and_end_and_an_incomplete_run_ends_none() -> None:
    account = Account()
    account.run(run(0), flood_size=5000)
    account.run(run(1), flood_size=5000)
    account.run(failed_run(2))
    assert account.published == ["flood"]
    account.run(run(3))
    assert account.published == ["flood", "flood_ended"]


def test_a_missed_slot_is_told_once_until_any_run_ends() -> None:
    account = Account()
    for seconds in (100, 200):
        account.health, events = after_missed_slot(account.health, after(seconds), 60)
        account.published += [event.kind for event in events]
    account.run(failed_run(300))
    assert account.published == ["missed_slot", "schedule_recovered"]
    assert account.health.conditions == {}


def test_an_old_run_that_ends_late_does_not_set_the_last_run_back() -> None:
    health: Any = replace(AccountHealth(account_id="A"), last_run_at=after(10), conditions={Condition.FLOOD: after(0)})
    account = Account()
    account.health = health
    account.run(run(5))
    assert account.health.last_run_at == after(10)
