from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.ledger_rows import break_of, break_row, change_of
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow
from reconciliation.domain.breaks.apply_runs import Confirmation
from reconciliation.domain.breaks.break_ import Sightings, replay
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.model.models import AssetType, DiscrepancyType, Measure, NotCompared, ReconciliationConfig
from reconciliation.domain.model.runs import Fence
from tests.builders.ledger import after, failed_run, fills, finding, run
from tests.integration.adapters.database.books import Book, counted_statements, opened


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


def test_a_break_over_a_hundred_runs_is_published_once_and_so_is_each_change_of_it(book: Book) -> None:
    for second in range(0, 1000, 10):
        book.record(run(second, finding()))
    book.record(run(1000, finding(broker="120")))
    book.record(run(1010, finding(broker="120")))
    book.record(run(1020))
    book.record(run(1030))
    book.record(run(1040, finding(broker="120")))
    book.record(run(1050, finding(broker="120")))
    assert book.events() == ["opened", "changed", "resolved", "reopened"]
    payloads = book.rows("SELECT payload FROM outbox ORDER BY id")
    assert len({str(payload).partition("break_id")[2][:45] for payload in payloads}) == 1
    assert book.rows("SELECT open_count, state FROM breaks") == [(2, "open")]
    assert book.rows("SELECT count(*) FROM runs") == [(106,)]
    assert book.rows("SELECT count(*) FROM discrepancies") == [(104,)]


def test_every_run_is_recorded_with_what_it_rested_on(book: Book) -> None:
    config = ReconciliationConfig("A", cash_tolerance=Decimal("2.50"))
    result = run(0, finding(), not_compared=(NotCompared(measure=Measure.CASH),), broker_as_of=after(-30))
    result.context["asked"] = uuid4()
    book.ledger.record([])
    book.record(result, config=config)
    book.record(failed_run(5))
    rows = book.rows(
        "SELECT trigger, outcome, not_applied, positions_checked, discrepancy_count, duration_ms, error_kind, "
        "error_side, error_message FROM runs ORDER BY timestamp"
    )
    assert rows == [
        ("periodic", "discrepancies", None, 1, 1, 1.0, None, None, None),
        ("periodic", "incomplete", "incomplete", 0, 0, 1.0, "unavailable", "broker", "no answer"),
    ]
    (tolerances,) = book.rows("SELECT tolerances FROM runs WHERE tolerances IS NOT NULL")
    assert "2.50" in str(tolerances)


def test_amounts_come_back_digit_for_digit(book: Book) -> None:
    digits = "0.12345678901234567890123456789"
    book.record(run(0, finding(local=digits, broker="-1e-20")))
    with read_transaction(book.engine) as connection:
        case = break_of(connection.execute(BreakRow.__table__.select()).mappings().one())
    assert case.seen.amounts.local_value == Decimal(digits)
    assert case.seen.amounts.broker_value == Decimal("-1e-20")


def test_an_incomplete_run_changes_nothing_whatever_it_partly_read(book: Book) -> None:
    book.record(run(0, finding()))
    book.record(run(5, finding()))
    before = book.rows("SELECT * FROM breaks")
    recording = book.record(failed_run(10), failed_run(11, finding("MSFT")), failed_run(12, finding(broker="1")))
    assert recording.not_applied == (("A", "incomplete"),) * 3
    assert book.rows("SELECT * FROM breaks") == before
    book.announce(12)
    assert book.events() == ["opened", "could_not_run"]


def test_the_same_run_twice_is_one_run(book: Book) -> None:
    result = run(0, finding())
    book.record(result)
    recording = book.record(result, result)
    assert recording.not_applied == (("A", "repeated"),) * 2
    assert book.rows("SELECT sightings FROM breaks") == [(1,)]
    assert book.rows("SELECT count(*) FROM discrepancies") == [(1,)]


def test_a_run_that_was_incomplete_may_be_made_again_under_its_id(book: Book) -> None:
    failed = failed_run(0)
    book.record(failed)
    again = replace(run(5, finding()), run_id=failed.run_id)
    assert book.record(again).not_applied == ()
    assert book.rows("SELECT outcome FROM runs") == [("discrepancies",)]
    assert book.record(replace(failed_run(6), run_id=failed.run_id)).not_applied == (("A", "repeated"),)


def test_an_incomplete_run_ends_the_waiting_for_a_confirmation(book: Book) -> None:
    book.record(run(0, finding()))
    assert book.record(failed_run(5)).to_confirm == ()
    assert book.rows("SELECT count(*) FROM account_health WHERE confirm_at IS NOT NULL") == [(0,)]


def test_an_older_read_and_a_lost_lease_are_recorded_and_change_nothing(book: Book) -> None:
    book.record(run(0, finding()), fence=Fence(scope="fills", number=5))
    book.record(run(10, finding()))
    assert book.record(run(9)).not_applied == (("A", "older_read"),)
    assert book.record(run(20), fence=Fence(scope="fills", number=4)).not_applied == (("A", "lease_lost"),)
    assert book.states() == {"AAPL": "open"}
    assert book.rows("SELECT count(*) FROM runs") == [(4,)]


def test_a_suspicion_requests_a_confirmation_run_and_a_confirmed_break_does_not(book: Book) -> None:
    assert book.record(run(0, finding())).to_confirm == (Confirmation(account_id="A", due_at=after(5)),)
    assert book.rows("SELECT confirm_at IS NOT NULL FROM account_health") in ([(True,)], [(1,)])
    recording = book.record(run(5, finding()))
    assert (recording.to_confirm, recording.to_publish) == ((), ("A",))


def test_a_confirmation_run_that_requests_another_counts_them_and_stops_at_the_limit(book: Book) -> None:
    asked = [book.record(run(0, finding("S0"))).to_confirm]
    for second in range(1, 4):
        context = {"trigger": "confirmation", "in_a_row": asked[-1][0].in_a_row}
        asked.append(book.record(run(second, finding(f"S{second}"), context=context)).to_confirm)
    assert [[wanted.in_a_row for wanted in each] for each in asked] == [[1], [2], [3], []]


def test_what_a_run_holds_and_when_its_fills_were_looked_at_reach_the_next_run(book: Book) -> None:
    book.record(run(0, finding()), **fills(0))
    book.record(run(6, finding()), **fills(6, AAPL=0))
    assert book.states() == {"AAPL": "suspected"}
    book.record(run(12, finding()), **fills(12, AAPL=0, IBM=6))
    assert book.states() == {"AAPL": "open"}


def test_a_sweep_is_one_transaction_and_a_bounded_number_of_statements(book: Book) -> None:
    def sweep(accounts: int, second: int) -> int:
        results = [
            run(
                second,
                *(finding(f"S{number}", account_id=f"A{account}") for number in range(5)),
                account_id=f"A{account}",
            )
            for account in range(accounts)
        ]
        with counted_statements(book.engine) as statements:
            book.record(*results)
        return len([statement for statement in statements if not statement.startswith(("PRAGMA", "BEGIN"))])

    assert sweep(1, 0) == sweep(200, 1) == 11  # one of them for accounts that were never seen
    assert sweep(200, 20) == 11  # one of them for the events of a thousand opened breaks
    assert book.rows("SELECT count(*), min(open_count) FROM breaks") == [(1000, 1)]
    assert book.rows("SELECT count(*) FROM discrepancies") == [(2005,)]


def test_five_thousand_new_breaks_are_one_event_and_what_is_left_is_published_once(book: Book) -> None:
    book.record(run(0, finding("OLD")))
    book.record(run(5, finding("OLD")))
    flood = [finding(f"S{number}") for number in range(5000)]
    book.record(run(10, *flood))
    book.record(run(20, *flood, finding("OLD")))
    book.announce(20)
    assert book.events() == ["opened", "flood"]
    assert book.states()["OLD"] == "open"
    book.record(run(40, finding("OLD"), finding("S7")))
    book.record(run(50, finding("OLD"), finding("S7")))
    assert sorted(book.events()) == ["flood", "flood_ended", "opened", "opened"]
    live = [symbol for symbol, state in book.states().items() if state != "resolved"]
    assert live == ["OLD", "S7"]


def test_the_database_forbids_a_second_break_of_one_key(book: Book) -> None:
    book.record(run(0, finding()))
    with read_transaction(book.engine) as connection:
        case = break_of(connection.execute(BreakRow.__table__.select()).mappings().one())
    with pytest.raises(IntegrityError), write_transaction(book.engine) as connection:
        connection.execute(insert(BreakRow), [{**break_row(case), "break_id": uuid4()}])


def test_an_account_level_break_has_one_row_too(book: Book) -> None:
    cash = finding(None, "1", "5", kind=DiscrepancyType.CASH_MISMATCH)
    for second in (0, 5):
        book.record(run(second, cash, replace(cash, currency="EUR")))
    assert book.rows("SELECT currency, state FROM breaks ORDER BY currency") == [("", "open"), ("EUR", "open")]


def test_the_stored_history_replays_to_the_stored_break(book: Book) -> None:
    book_policy = BreakPolicy()
    assert book_policy.confirmations == 2
    for second in range(0, 60, 3):
        found = [finding(symbol) for symbol in ("AAPL", "MSFT") if (second // 9 + len(symbol)) % 3]
        book.record(run(second, *found, finding("ES", "1", str(second // 20 + 2), asset_type=AssetType.FUTURE)))
    with read_transaction(book.engine) as connection:
        cases = [break_of(row) for row in connection.execute(BreakRow.__table__.select()).mappings()]
        table = BreakEventRow.__table__
        rows = connection.execute(table.select().order_by(table.c.number)).mappings().all()
    assert len(cases) == 2 + 1
    for case in cases:
        history = [change_of(row) for row in rows if row["break_id"] == case.break_id]
        assert replay(case.key, history) == replace(case, seen=Sightings())
