"""The oracle finds what a fault may do to a ledger, and repairs what is safe to repair."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from sqlalchemy import delete, insert, update

from reconciliation.adapters.database.break_pages import SqlBreakPages
from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.outbox import SqlOutbox
from reconciliation.adapters.database.tables.ledger import BreakRow, OutboxRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.adapters.database.verification import SqlVerification
from reconciliation.cli import cli
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.domain.breaks.verification import Verification
from reconciliation.ports.breaks import BreakFilter
from tests.builders.ledger import after, finding, run
from tests.integration.adapters.database.books import Book, opened


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        with write_transaction(book.engine) as connection:
            connection.execute(insert(AccountRow), [{"account_id": "A", "connection": "main", "revision": 1}])
        for second in (0, 5):
            book.record(run(second, finding(), finding("MSFT")))
        yield book


def verify(book: Book) -> Verification:
    return SqlVerification(book.engine).verify(after(60))


def publish(book: Book) -> None:
    with SqlOutbox(book.engine).waiting(500):
        pass


def test_a_sound_ledger_is_found_sound_whether_its_events_wait_or_were_published(book: Book) -> None:
    assert verify(book) == Verification(breaks=2)
    break_id = str(SqlBreakPages(book.engine).page(BreakFilter(), sort=(), limit=1).breaks[0].break_id)
    SqlBreaks(book.engine).act(break_id, BreakAction(kind=BreakEventKind.ACKNOWLEDGED, actor="ann", at=after(10)))
    publish(book)
    assert verify(book) == Verification(breaks=2)
    assert book.events() == []


def test_an_event_that_is_neither_published_nor_waiting_is_queued_again_under_its_id(book: Book) -> None:
    before = book.rows("SELECT event_id, kind FROM outbox ORDER BY event_id")
    with write_transaction(book.engine) as connection:
        connection.execute(delete(OutboxRow))
    found = verify(book)
    assert (len(found.requeued), found.is_consistent) == (2, False)
    assert book.rows("SELECT event_id, kind FROM outbox WHERE account_id = 'A' ORDER BY event_id") == before
    assert book.events() == ["opened", "opened", "ledger_inconsistent"]
    assert verify(book).is_consistent


def test_a_break_that_its_history_does_not_lead_to_is_reported_and_left_alone(book: Book) -> None:
    with write_transaction(book.engine) as connection:
        connection.execute(update(BreakRow).where(BreakRow.symbol == "MSFT").values(state="snoozed"))
    found = verify(book)
    assert len(found.differing) == 1
    assert book.states() == {"AAPL": "open", "MSFT": "snoozed"}


def test_open_breaks_of_an_account_that_no_run_reaches_are_named(book: Book) -> None:
    with write_transaction(book.engine) as connection:
        connection.execute(update(AccountRow).values(enabled=False))
    assert verify(book).without_runs == ("A",)


def test_the_command_says_what_it_found_and_repaired(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", book.url)
    result = CliRunner().invoke(cli, ["verify"])
    assert (result.exit_code, result.stdout) == (0, "2 live breaks verified\n")
    with write_transaction(book.engine) as connection:
        connection.execute(delete(OutboxRow))
    result = CliRunner().invoke(cli, ["verify"])
    assert result.exit_code == 1
    assert "was lost, and is queued again" in result.stdout
