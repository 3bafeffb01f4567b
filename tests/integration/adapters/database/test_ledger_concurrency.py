"""Two workers end runs of the same accounts at once: serialised in the database, without a deadlock."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import ReconciliationResult
from tests.builders.ledger import finding, run
from tests.integration.adapters.database.books import Book, opened

ACCOUNTS = ("A", "B", "C")


def _script(seed: int, rounds: int) -> list[list[ReconciliationResult]]:
    """Runs of all accounts, in any order, with reads of different age; a read of time t shows what was true at t."""
    random = Random(seed)  # noqa: S311 - a repeatable shuffle, no secret
    sweeps = []
    for number in range(rounds):
        accounts = list(ACCOUNTS)
        random.shuffle(accounts)
        sweeps.append([_look(account, number * 20 + random.randrange(40)) for account in accounts])
    return sweeps


def _look(account_id: str, second: int) -> ReconciliationResult:
    """Return what any reader at `second` sees: one difference that comes and goes, and one that stays."""
    found = [finding("STAYS", account_id=account_id)]
    if second // 100 % 2:
        found.append(finding("COMES", account_id=account_id))
    return run(second, *found, account_id=account_id)


@pytest.mark.parametrize("rounds", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_two_workers_at_once_leave_what_the_newest_read_says(database_url: str, rounds: int) -> None:
    barrier = Barrier(2)

    def work(seed: int) -> int:
        with opened(database_url, BreakPolicy(confirmations=1)) as book:
            applied = 0
            for results in _script(seed, rounds):
                barrier.wait(60)
                recording = book.ledger.record([RecordedRun(result=result) for result in results])
                applied += len(results) - len(recording.not_applied)
            return applied

    with ThreadPoolExecutor(2) as workers:
        applied = list(workers.map(work, (1, 2)))

    with opened(database_url) as book:
        assert book.rows("SELECT count(*) FROM runs") == [(2 * rounds * len(ACCOUNTS),)]
        assert book.rows("SELECT count(*) FROM runs WHERE not_applied IS NULL") == [(sum(applied),)]
        assert book.rows("SELECT count(*) FROM runs WHERE not_applied = 'older_read'") != [(0,)]
        _assert_newest_read_rules(book)
        for account_id in ACCOUNTS:
            query = "SELECT sequence FROM outbox WHERE account_id = :a ORDER BY id"
            sequences = [number for (number,) in book.rows(query, a=account_id)]
            assert sequences == list(range(1, len(sequences) + 1))


def _assert_newest_read_rules(book: Book) -> None:
    for account_id in ACCOUNTS:
        query = "SELECT max(timestamp) FROM runs WHERE account_id = :a"
        counted = "SELECT discrepancy_count FROM runs WHERE account_id = :a AND timestamp = :newest"
        ((newest,),) = book.rows(query, a=account_id)
        ((shown,),) = set(book.rows(counted, a=account_id, newest=newest))
        live = "SELECT symbol FROM breaks WHERE account_id = :a AND state != 'resolved' ORDER BY symbol"
        names = [symbol for (symbol,) in book.rows(live, a=account_id)]
        assert names == (["COMES", "STAYS"] if shown == 2 else ["STAYS"])
        kept = "SELECT last_run_at FROM account_health WHERE account_id = :a"
        assert book.rows(kept, a=account_id) == [(newest,)]
