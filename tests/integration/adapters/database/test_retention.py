from collections.abc import Iterator
from threading import Event, Thread

import pytest
from click.testing import CliRunner

from reconciliation.adapters.database.break_pages import SqlBreakPages
from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.adapters.database.retention import Pruned, count_old, oldest_run_at, prune
from reconciliation.cli import cli
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.ports.breaks import BreakFilter
from tests.builders.ledger import after, finding, run
from tests.integration.adapters.database.books import Book, opened


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


def test_old_runs_and_long_resolved_breaks_are_deleted_with_all_their_rows(book: Book) -> None:
    for second in (0, 10):
        book.record(run(second, finding("OPEN"), finding("GONE")))
    for second in (20, 30):
        book.record(run(second, finding("OPEN")))
    book.record(run(1000, finding("OPEN")))
    assert count_old(book.engine, after(100)) == Pruned(runs=4, breaks=1)
    assert prune(book.engine, after(100)) == Pruned(runs=4, breaks=1)
    assert prune(book.engine, after(100)) == Pruned(runs=0, breaks=0)
    assert book.states() == {"OPEN": "open"}
    assert book.rows("SELECT count(*) FROM discrepancies") == [(1,)]
    assert book.rows("SELECT count(*) FROM break_events") == [(2,)]


def test_a_pruned_break_that_comes_back_is_a_new_case(book: Book) -> None:
    for second in (0, 10):
        book.record(run(second, finding()))
    for second in (20, 30):
        book.record(run(second))
    prune(book.engine, after(100))
    for second in (200, 210):
        book.record(run(second, finding()))
    assert book.rows("SELECT open_count, changes FROM breaks") == [(1, 2)]
    assert book.events() == ["opened", "resolved", "opened"]


def test_pruning_goes_in_batches_that_can_be_bounded(book: Book) -> None:
    book.record(*[run(0, account_id=f"A{number}") for number in range(1100)])
    deleted: list[int] = []
    assert prune(book.engine, after(1), on_deleted=deleted.append, limit_seconds=0).runs == 0
    assert oldest_run_at(book.engine) == after(0)
    assert prune(book.engine, after(1), on_deleted=deleted.append).runs == 1100
    assert deleted == [500, 500, 100]
    assert oldest_run_at(book.engine) is None


def test_pruning_while_a_worker_records_disturbs_neither(book: Book, database_url: str) -> None:
    stop, failures = Event(), []

    def work() -> None:
        with opened(database_url) as own:
            second = 10_000
            while not stop.is_set():
                second += 10
                try:
                    own.record(
                        *[
                            run(second, *([finding(account_id=name)] if second // 20 % 2 else []), account_id=name)
                            for name in ("A", "B", "C")
                        ]
                    )
                except Exception as error:  # noqa: BLE001 - shown by the test
                    failures.append(error)
                    return

    worker = Thread(target=work)
    worker.start()
    for number in range(30):
        prune(book.engine, after(10_000 + number * 50))
    stop.set()
    worker.join()
    assert failures == []
    assert book.rows("SELECT count(*) FROM discrepancies WHERE run_id NOT IN (SELECT run_id FROM runs)") == [(0,)]
    kept = "SELECT count(*) FROM break_events e WHERE e.break_id = b.break_id"
    gaps = f"SELECT count(*) FROM breaks b WHERE changes != ({kept})"  # noqa: S608 - constants only
    assert book.rows(gaps) == [(0,)]


def test_the_command_says_what_it_deleted_or_would(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", sqlite_url)
    with opened(sqlite_url) as book:
        book.record(run(0))
    for words, sentence in (
        (["--older-than", "1w", "--dry-run"], "would delete 1 run and 0 resolved breaks\n"),
        (["--older-than", "1w"], "deleted 1 run and 0 resolved breaks\n"),
        (["--older-than", "1w"], "deleted 0 runs and 0 resolved breaks\n"),
    ):
        assert CliRunner().invoke(cli, ["prune", *words]).stdout == sentence
    assert CliRunner().invoke(cli, ["prune", "--older-than", "x"]).exit_code == 2


def test_what_a_person_did_to_a_break_is_kept_for_ever(book: Book) -> None:
    for second in (0, 10):
        book.record(run(second, finding("WORKED"), finding("GONE")))
    worked = SqlBreakPages(book.engine).page(BreakFilter(symbols=("WORKED",)), sort=(), limit=1).breaks[0]
    action = BreakAction(kind=BreakEventKind.NOTED, actor="ann", at=after(15), note="asked the broker")
    SqlBreaks(book.engine).act(str(worked.break_id), action)
    for second in (20, 30):
        book.record(run(second))
    assert count_old(book.engine, after(100)).breaks == prune(book.engine, after(100)).breaks == 1
    assert [change.note for change in SqlBreaks(book.engine).show(str(worked.break_id)).history][
        2
    ] == "asked the broker"
