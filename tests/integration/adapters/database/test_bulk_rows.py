"""Rows written in one statement are the rows that were given, digit for digit, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from reconciliation.adapters.database import bulk_rows
from reconciliation.adapters.database.bulk_rows import (
    insert_missing_rows,
    insert_rows,
    is_among,
    update_rows,
    upsert_rows,
)
from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import DiscrepancyRow, RunRow
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import InvalidInputError

NOW = datetime(2026, 3, 2, 15, 4, 5, 678901, tzinfo=UTC)
#: What no column of text takes; all else must come back as it was.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**40), max_value=10**40)
ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def account(account_id: str, **figures: Any) -> dict[str, Any]:
    empty = {"cash": None, "equity": None, "currency": None, "cash_by_currency": None, "as_of": None}
    return {"account_id": account_id, **empty, **figures}


def run(run_id: UUID, **values: Any) -> dict[str, Any]:
    plain = {"account_id": "A", "timestamp": NOW, "trigger": "startup", "outcome": "clean", "not_applied": None}
    times = {"local_as_of": None, "broker_as_of": None, "tolerances": None, "positions_checked": 3}
    rest = {"discrepancy_count": 0, "duration_ms": 0.1, "not_compared": [], "context": {}}
    none = {"error_kind": None, "error_side": None, "error_message": None}
    return {"run_id": run_id, **plain, **times, **rest, **none, **values}


def accounts(engine: Engine) -> dict[str, Any]:
    with read_transaction(engine) as db:
        return {row["account_id"]: dict(row) for row in db.execute(select(Account.__table__)).mappings()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_value_comes_back_as_it_was(engine: Engine, data: st.DataObject) -> None:
    names = data.draw(st.lists(TEXTS.filter(bool), unique=True, max_size=5))
    rows = [
        account(
            name,
            cash=data.draw(st.none() | DECIMALS),
            currency=data.draw(st.none() | TEXTS.map(lambda word: word[:16])),
            cash_by_currency=data.draw(st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3)),
            as_of=data.draw(st.none() | MOMENTS),
        )
        for name in names
    ]
    with write_transaction(engine) as db:
        db.execute(delete(Account))
        insert_rows(db, Account, rows)
    assert accounts(engine) == {row["account_id"]: row for row in rows}


def test_numbers_keep_their_digits_and_times_their_moment(engine: Engine) -> None:
    many_digits = Decimal("123456789012345678901234567890.123456789012345678901234567891")
    east = datetime(2026, 3, 2, 23, 4, 5, 678901, tzinfo=timezone(timedelta(hours=8)))
    rows = [
        account("digits", cash=many_digits, equity=Decimal("-1E-9"), as_of=east),
        account("naive", as_of=NOW.replace(tzinfo=None)),
    ]
    with write_transaction(engine) as db:
        if engine.dialect.name == "postgresql":
            db.execute(text("SET LOCAL TimeZone = 'Asia/Tokyo'"))  # a naive time is UTC whatever the session thinks
        insert_rows(db, Account, rows)
    found = accounts(engine)
    assert str(found["digits"]["cash"]) == str(many_digits)
    assert found["digits"]["equity"] == Decimal("-1E-9")
    assert found["digits"]["as_of"] == found["naive"]["as_of"] == NOW


def test_ids_documents_and_asset_types_are_written_as_the_columns_say(engine: Engine) -> None:
    run_id, other = uuid4(), uuid4()
    context = {"b": [1, {"quote": '"\\'}], "a": None, "id": other, "at": NOW, "größe": "½"}
    position = {"account_id": "A", "symbol": "ES", "quantity": Decimal(1), "avg_cost": None}
    with write_transaction(engine) as db:
        insert_rows(db, RunRow, [run(run_id, context=context, not_compared=["cash"])])
        insert_rows(db, Account, [account("A")])
        insert_rows(db, Position, [{**position, "asset_type": AssetType.FUTURE}])
    with read_transaction(engine) as db:
        row = db.execute(select(RunRow.__table__)).mappings().one()
        kind = db.execute(select(Position.asset_type)).scalar_one()
    assert row["run_id"] == run_id
    assert row["context"] == {**context, "id": str(other), "at": str(NOW)}
    assert [*row["context"]] == [*context]
    assert (row["tolerances"], row["not_compared"], row["duration_ms"], kind) == (None, ["cash"], 0.1, AssetType.FUTURE)


def test_rows_are_numbered_in_their_order_however_many(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_rows, "_ROWS_PER_STATEMENT", 7)
    run_id, symbols = uuid4(), [f"S{number:02}" for number in range(50)]
    plain = {"type": "missing_local", "severity": "critical", "asset_type": "stock", "currency": None}
    plain |= {"local_value": None, "broker_value": Decimal(1), "timestamp": NOW}
    found = [{"run_id": run_id, "break_id": uuid4(), "symbol": symbol, **plain} for symbol in symbols]
    with write_transaction(engine) as db:
        insert_rows(db, RunRow, [run(run_id)])
        insert_rows(db, DiscrepancyRow, found)
    with read_transaction(engine) as db:
        assert [*db.scalars(select(DiscrepancyRow.symbol).order_by(DiscrepancyRow.id))] == symbols


def test_a_key_that_is_taken(engine: Engine) -> None:
    old, new = account("A", cash=Decimal(1)), account("A", cash=Decimal(2), currency="EUR")
    with write_transaction(engine) as db:
        insert_rows(db, Account, [old])
    with pytest.raises(IntegrityError), write_transaction(engine) as db:
        insert_rows(db, Account, [account("B"), new])
    assert accounts(engine) == {"A": old}
    with write_transaction(engine) as db:
        insert_missing_rows(db, Account, [new, account("B")])
    assert accounts(engine) == {"A": old, "B": account("B")}
    with write_transaction(engine) as db:
        upsert_rows(db, Account, [new, account("C")])
    assert accounts(engine) == {"A": new, "B": account("B"), "C": account("C")}


def test_an_update_writes_the_named_columns_of_the_named_rows(engine: Engine) -> None:
    with write_transaction(engine) as db:
        insert_rows(db, Account, [account(name, cash=Decimal(1), currency="USD") for name in "ABC"])
        update_rows(db, Account, [{"account_id": "A", "cash": None}, {"account_id": "B", "cash": Decimal(5)}])
        update_rows(db, Account, [{"account_id": "nobody", "cash": Decimal(9)}])
    assert {name: row["cash"] for name, row in accounts(engine).items()} == {"A": None, "B": 5, "C": 1}
    assert {row["currency"] for row in accounts(engine).values()} == {"USD"}


def test_no_rows_are_no_statement(engine: Engine) -> None:
    with write_transaction(engine) as db:
        for write in (insert_rows, insert_missing_rows, upsert_rows, update_rows):
            write(db, Account, [])


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+100")])
def test_what_is_no_amount_is_refused(engine: Engine, amount: Decimal) -> None:
    with pytest.raises(Exception, match="a decimal column") as caught, write_transaction(engine) as db:
        insert_rows(db, Account, [account("A", cash=amount)])
    error: BaseException | None = caught.value
    assert isinstance(error, InvalidInputError) or isinstance(getattr(error, "orig", None), InvalidInputError)
    assert accounts(engine) == {}


def test_a_row_without_one_of_the_columns_is_a_bug_and_no_storage_error(engine: Engine) -> None:
    with pytest.raises(Exception, match="currency"), write_transaction(engine) as db:
        insert_rows(db, Account, [{"account_id": "A", "currency": "USD"}, {"account_id": "B"}])
    assert accounts(engine) == {}


def test_a_text_that_does_not_fit_is_refused_and_not_cut(postgres_url: str) -> None:
    engine = build_engine(postgres_url)
    for name in ("x" * 129, "nul\0"):
        with pytest.raises(DBAPIError), write_transaction(engine) as db:
            insert_rows(db, Account, [account("A"), account(name)])
    assert accounts(engine) == {}
    engine.dispose()


def test_no_plan_outlives_the_table_that_it_was_made_for(postgres_url: str) -> None:
    """A plan made for an empty table reads it from end to end; kept, it would do so for the full one."""
    engine = build_engine(postgres_url)
    wanted = [f"A{number}" for number in range(200)]
    try:
        with engine.connect() as db:
            for _ in range(20):
                db.execute(select(Account.cash).where(is_among(Account.account_id, wanted, db))).all()
            db.execute(insert(Account), [{"account_id": f"A{number}"} for number in range(1000)])
            db.execute(select(Account.cash).where(is_among(Account.account_id, wanted, db))).all()
            plans = "SELECT sum(generic_plans), sum(custom_plans) > 0 FROM pg_prepared_statements"
            assert tuple(db.execute(text(plans)).one()) == (0, True)
            assert db.execute(select(func.count()).select_from(Account)).scalar_one() == 1000
    finally:
        engine.dispose()
