from collections.abc import Iterator

import pytest
from sqlalchemy import insert, update

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.missed_slots import SqlMissedSlots
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.breaks.account_health import after_missed_slot
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.model.models import ReconciliationConfig
from tests.builders.ledger import after, run
from tests.integration.adapters.database.books import Book, opened


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


def register(
    book: Book,
    *names: str,
    interval_seconds: float | None = None,
    connection: str = "default",
    scheduled: bool = True,
) -> None:
    rows = [
        {
            "account_id": name,
            "connection": connection,
            "enabled": True,
            "interval_seconds": interval_seconds,
            "revision": 1,
            "scheduled_at": after(0) if scheduled else None,
        }
        for name in names
    ]
    with write_transaction(book.engine) as db:
        db.execute(insert(AccountRow), rows)


def check(book: Book, second: float, flood_cap: int = 50) -> int:
    slots = SqlMissedSlots(book.engine, policy=BreakPolicy(flood_cap=flood_cap), interval_seconds=60)
    return slots.check(after(second))


def published(book: Book) -> list[tuple[str, str]]:
    return book.rows("SELECT account_id, kind FROM outbox ORDER BY id")


def test_an_account_whose_runs_stop_is_published_within_two_intervals_and_so_is_its_recovery(book: Book) -> None:
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
    check(book, 161)
    assert published(book) == [("", "missed_slot"), ("", "schedule_recovered")]
    book.record(run(162, account_id=names[0]))
    check(book, 170)
    assert published(book) == [("", "missed_slot"), ("", "schedule_recovered")]


def test_an_account_that_is_left_when_the_others_are_back_is_told_by_itself(book: Book) -> None:
    names = [f"A{number}" for number in range(60)]
    register(book, *names)
    check(book, 100)
    for second in range(120, 1000, 60):
        book.record(*[run(second, account_id=name) for name in names[1:]])
        check(book, second + 1)
    assert published(book) == [("", "missed_slot"), ("", "schedule_recovered"), ("A0", "missed_slot")]


def minute(account_id: str) -> ReconciliationConfig:
    return ReconciliationConfig(account_id, interval_seconds=60)


def test_slots_that_were_missed_are_told_once_although_it_is_over_before_anyone_looked(book: Book) -> None:
    register(book, "A", "B")
    for second in (0, 60):
        book.record(run(second), config=minute("A"))
        book.record(run(second, account_id="B"), config=minute("B"))
    book.record(run(260), config=minute("A"))
    book.record(run(320), config=minute("A"))
    check(book, 321)
    check(book, 326)
    assert published(book) == [("A", "missed_slot"), ("B", "missed_slot")]


def test_many_slots_that_were_missed_are_one_event_when_the_late_runs_come(book: Book) -> None:
    names = [f"A{number}" for number in range(300)]
    register(book, *names)
    for second in (0, 200):
        for name in names:
            book.record(run(second, account_id=name), config=minute(name))
    check(book, 201)
    check(book, 206)
    assert published(book) == [("", "missed_slot")]
    assert book.rows("SELECT count(*) FROM account_conditions") == [(0,)]


def test_a_check_that_is_killed_between_the_marks_and_the_event_is_completed_by_the_next(book: Book) -> None:
    names = [f"A{number}" for number in range(120)]
    register(book, *names)
    with write_transaction(book.engine) as connection:
        locked = lock_accounts(connection, names)
        marked = {name: after_missed_slot(health, after(100), 60) for name, health in locked.health.items()}
        save_accounts(connection, locked, marked)
    assert published(book) == []
    assert check(book, 105) == 0
    assert published(book) == [("", "missed_slot")]


def test_a_second_outage_beside_an_old_one_is_told(book: Book) -> None:
    register(book, *(f"A{number}" for number in range(60)))
    check(book, 100)
    register(book, *(f"B{number}" for number in range(200)), connection="other")
    for second in (101, 161):
        book.record(*(run(second, account_id=f"B{number}") for number in range(200)))
        check(book, second)
    check(book, 300)
    assert published(book) == [("", "missed_slot"), ("", "missed_slot")]


def test_an_account_that_was_registered_and_never_scheduled_is_found(book: Book) -> None:
    register(book, "A", scheduled=False)
    assert [second for second in range(0, 200, 10) if check(book, second)] == [100]
    assert published(book) == [("A", "missed_slot")]
