"""What every run ledger does: the one of the database, on both databases, and the one in memory that unit tests use."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import pytest

from reconciliation.domain.breaks.apply_runs import Confirmation
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import Fence
from reconciliation.ports.run_ledger import Recording, RunLedger
from tests.builders.ledger import after, failed_run, fills, finding, run
from tests.fakes.run_ledger import MemoryRunLedger
from tests.integration.adapters.database.books import opened


class Kept(Protocol):
    """How a test looks at what a ledger keeps."""

    def states(self) -> dict[str, str]: ...


class Desk:
    """One ledger, and what it keeps."""

    def __init__(self, ledger: RunLedger, kept: Kept) -> None:
        self._ledger = ledger
        self.states = kept.states

    def record(self, *results: ReconciliationResult, **facts: Any) -> Recording:
        return self._ledger.record([RecordedRun(result=result, **facts) for result in results])


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    policy = BreakPolicy(flood_cap=3)
    if request.param == "memory":
        ledger = MemoryRunLedger(policy)
        yield Desk(ledger, ledger)
        return
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    with opened(url, policy) as book:
        yield Desk(book.ledger, book)


def test_nothing_to_record_is_nothing(desk: Desk) -> None:
    assert desk.record() == Recording()


def test_a_difference_is_suspected_then_open_then_resolved_by_two_reads_each(desk: Desk) -> None:
    assert desk.record(run(0, finding())).to_confirm == (Confirmation(account_id="A", due_at=after(5)),)
    assert desk.states() == {"AAPL": "suspected"}
    assert desk.record(run(5, finding())) == Recording(to_publish=("A",))
    assert desk.states() == {"AAPL": "open"}
    assert desk.record(run(10)).to_confirm == (Confirmation(account_id="A", due_at=after(15)),)
    assert desk.record(run(15)) == Recording(to_publish=("A",))
    assert desk.states() == {"AAPL": "resolved"}


def test_a_run_counts_once_unless_it_was_incomplete(desk: Desk) -> None:
    failed = failed_run(0)
    assert desk.record(failed).not_applied == (("A", "incomplete"),)
    again = replace(run(5, finding()), run_id=failed.run_id)
    assert desk.record(again, again).not_applied == (("A", "repeated"),)
    assert desk.record(again).not_applied == (("A", "repeated"),)
    assert desk.states() == {"AAPL": "suspected"}


def test_an_older_read_and_a_lost_lease_change_nothing(desk: Desk) -> None:
    desk.record(run(0, finding()), fence=Fence(scope="fills", number=5))
    desk.record(run(10, finding()))
    assert desk.record(run(9)).not_applied == (("A", "older_read"),)
    assert desk.record(run(20), fence=Fence(scope="fills", number=4)).not_applied == (("A", "lease_lost"),)
    assert desk.states() == {"AAPL": "open"}


def test_fills_reach_the_next_run(desk: Desk) -> None:
    desk.record(run(0, finding()), **fills(0))
    desk.record(run(6, finding()), **fills(6, AAPL=0))
    assert desk.states() == {"AAPL": "suspected"}
    desk.record(run(12, finding()), **fills(12, AAPL=0, IBM=6))
    assert desk.states() == {"AAPL": "open"}


def test_accounts_of_one_call_do_not_mix(desk: Desk) -> None:
    for second in (0, 5):
        results = [run(second, finding(f"OF-{name}", account_id=name), account_id=name) for name in ("A", "B")]
        recording = desk.record(*results, failed_run(second, account_id="C"))
    assert desk.states() == {"OF-A": "open", "OF-B": "open"}
    assert (recording.to_publish, recording.not_applied) == (("A", "B"), (("C", "incomplete"),))


def test_a_flood_is_remembered_from_run_to_run(desk: Desk) -> None:
    flood = [finding(f"S{number}") for number in range(4)]
    for second, state in ((0, "suspected"), (5, "suspected"), (10, "suspected"), (15, "open")):
        desk.record(run(second, *flood))
        assert set(desk.states().values()) == {state}


def test_a_login_that_lists_nothing_opens_no_break_of_each_account(desk: Desk) -> None:
    def flat(second: float) -> list[ReconciliationResult]:
        names = [f"A{number}" for number in range(4)]
        return [run(second, finding(f"OF-{name}", account_id=name), account_id=name) for name in names]

    for second in (0, 5):
        recording = desk.record(*flat(second), connection="ibkr", lists_nothing=True)
    assert set(desk.states().values()) == {"suspected"}
    assert recording.to_publish == ()
