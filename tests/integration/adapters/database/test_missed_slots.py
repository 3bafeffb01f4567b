from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.missed_slots import SqlMissedSlots
from reconciliation.adapters.database.tables.registry import AccountRow
from tests.builders.ledger import after, run
from tests.integration.adapters.database.books import Book, opened


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


def register(book: Book, *names: str, interval_seconds: float | None = None) -> None:
    rows = [
        {
            "account_id": name,
            "connection": "default",
            "enabled": True,
            "interval_seconds": interval_seconds,
            "revision": 1,
            "scheduled_at": after(0),
        }
        for name in names
    ]
    with write_transaction(book.engine) as connection:
        connection.execute(insert(AccountRow), rows)


def check(book: Book, second: float, flood_cap: int = 50) -> int:
    slots = SqlMissedSlots(book.engine, interval_seconds=60, missed_slot_intervals=1.5, flood_cap=flood_cap)
    return slots.check(after(second))


def published(book: Book) -> list[tuple[str, str]]:
    return book.rows("SELECT account_id, kind FROM outbox ORDER BY id")


def test_an_account_whose_runs_stop_is_told_within_two_intervals_and_so_is_its_recovery(book: Book) -> None:
    register(book, "A", "B")
    for second in range(0, 300, 60):
        book.record(run(second, account_id="A"), run(second, account_id="B"))
        assert check(book, second + 59) == 0
    for second in range(300, 600, 60):
        book.record(run(second, account_id="B"))
    found = [second for second in range(240, 600, 5) if check(book, second)]
    assert found == [335]  # the last run began at 240: told after 95 s, at an interval of 60 s
    book.record(run(600, account_id="A"))
    assert published(book) == [("A", "missed_slot"), ("A", "schedule_recovered")]


def test_an_account_that_never_ran_is_measured_from_its_registration(book: Book) -> None:
    register(book, "A", interval_seconds=10)
    register(book, "B")
    assert check(book, 15) == 0
    assert check(book, 16) == 1
    assert check(book, 91) == 1
    assert published(book) == [("A", "missed_slot"), ("B", "missed_slot")]


def test_a_disabled_or_removed_account_is_not_missed(book: Book) -> None:
    register(book, "A")
    with write_transaction(book.engine) as connection:
        connection.execute(update(AccountRow).values(enabled=False))
    book.record(run(0, account_id="GONE"))
    assert check(book, 10_000) == 0


def test_many_at_once_are_one_event_and_one_recovery(book: Book) -> None:
    names = [f"A{number}" for number in range(1200)]
    register(book, *names)
    assert check(book, 100) == 1200
    assert check(book, 110) == 0
    assert published(book) == [("", "missed_slot")]
    book.record(*[run(120, account_id=name) for name in names[1:]])
    check(book, 125)
    assert published(book) == [("", "missed_slot")]
    book.record(run(126, account_id=names[0]))
    check(book, 130)
    check(book, 135)
    assert published(book) == [("", "missed_slot"), ("", "schedule_recovered")]
