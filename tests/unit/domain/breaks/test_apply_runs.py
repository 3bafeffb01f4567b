"""What runs change is decided without a database."""

from typing import Any

from reconciliation.domain.breaks.account_health import AccountEvent, AccountHealth, Condition
from reconciliation.domain.breaks.apply_runs import Changes, apply_runs
from reconciliation.domain.breaks.break_ import Break, BreakEvent
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import Outcome, ReconciliationResult
from tests.builders.ledger import after, failed_run, finding, run


def applied(
    *results: ReconciliationResult, breaks: tuple[Break, ...] = (), known: dict[str, Any] | None = None, **facts: Any
) -> Changes:
    names = {result.account_id for result in results}
    health = {name: AccountHealth(account_id=name) for name in names}
    runs = [RecordedRun(result=result, **facts) for result in results]
    return apply_runs(health, breaks, runs, BreakPolicy(flood_cap=3), **(known or {}))


def test_events_are_data_in_the_order_in_which_they_happened() -> None:
    changes = applied(run(0, finding()), run(5, finding()), run(10), run(15))
    kinds = [event.change.kind.value for event in changes.events if isinstance(event, BreakEvent)]
    assert kinds == ["opened", "resolved"]
    assert [change.kind.value for _, change in changes.history] == ["suspected", "opened", "resolved"]
    (case,) = changes.breaks
    assert case.changes == 3


def test_a_run_that_was_recorded_changes_nothing_and_one_that_was_incomplete_is_replaced() -> None:
    complete, failed = run(0, finding()), run(5, finding())
    changes = applied(
        complete,
        failed,
        known={"recorded": {complete.run_id: Outcome.CLEAN, failed.run_id: Outcome.INCOMPLETE}},
    )
    assert changes.not_applied == (("A", "repeated"),)
    assert changes.replaced == {failed.run_id}
    assert [one.run.result for one in changes.runs] == [failed]


def test_only_the_last_wish_for_a_confirmation_of_an_account_is_left() -> None:
    changes = applied(run(0, finding()), run(1, finding("MSFT"), finding()))
    assert [(one.account_id, one.due_at) for one in changes.to_confirm] == [("A", after(6))]
    assert changes.accounts["A"].confirm_at == after(6)
    assert applied(run(0, finding()), failed_run(1)).to_confirm == ()


def test_what_is_wrong_with_an_account_waits_for_the_event_that_may_speak_of_many() -> None:
    changes = applied(*(failed_run(second) for second in range(3)))
    assert changes.events == ()
    assert changes.accounts["A"].conditions[Condition.COULD_NOT_RUN].announce_at == after(2)


def test_the_end_of_a_condition_that_was_published_is_published_at_once() -> None:
    changes = applied(*(failed_run(second) for second in range(3)))
    health = changes.accounts["A"]
    state = health.conditions[Condition.COULD_NOT_RUN]
    told = AccountHealth(
        account_id="A",
        failed_runs=3,
        conditions={Condition.COULD_NOT_RUN: type(state)(since=state.since)},
    )
    again = apply_runs({"A": told}, [], [RecordedRun(result=run(5))], BreakPolicy())
    assert [event.kind for event in again.events if isinstance(event, AccountEvent)] == ["runs_recovered"]


def test_accounts_that_list_nothing_are_counted_over_the_call_and_the_ledger() -> None:
    flat = [run(second, finding()) for second in (0, 5)]
    few = applied(*flat, connection="ibkr", lists_nothing=True, known={"lists_nothing": {"ibkr": 2}})
    assert len(few.events) == 1
    many = applied(*flat, connection="ibkr", lists_nothing=True, known={"lists_nothing": {"ibkr": 3}})
    assert many.events == ()
    assert Condition.FLOOD not in many.accounts["A"].conditions
