import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import Engine, event, insert, text, update
from sqlalchemy.exc import DBAPIError

from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.local_book import SqlBook
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import BadData, ReadError, StorageError, Unavailable


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def fill(engine: Engine, account_id: str = "A", quantity: str = "10", cash: str = "100.50") -> None:
    with write_transaction(engine) as connection:
        connection.execute(
            insert(Account).values(account_id=account_id, cash=Decimal(cash), equity=Decimal("1100.50"), currency="USD")
        )
        connection.execute(
            insert(Position).values(
                account_id=account_id,
                symbol="AAPL",
                asset_type="stock",
                quantity=Decimal(quantity),
                avg_cost=Decimal(100),
            )
        )


def read(engine: Engine, account_id: str) -> LocalSnapshot:
    answer = asyncio.run(SqlBook(engine).get_snapshots([account_id]))[account_id]
    assert isinstance(answer, LocalSnapshot)
    return answer


def test_positions_cash_and_equity_come_out_digit_for_digit(engine: Engine) -> None:
    fill(engine, quantity="-0.123456789012345678901234567890", cash="12345678901234567890.10")
    snapshot = read(engine, "A")

    assert str(snapshot.cash) == "12345678901234567890.10"
    assert snapshot.equity == Decimal("1100.50")
    assert snapshot.currency == "USD"
    [position] = snapshot.positions
    assert (position.symbol, position.asset_type, position.avg_cost) == ("AAPL", AssetType.STOCK, 100)
    assert str(position.quantity) == "-0.123456789012345678901234567890"


def test_an_account_without_a_row_is_unknown_and_never_flat(engine: Engine) -> None:
    fill(engine)
    answers = asyncio.run(SqlBook(engine).get_snapshots(["A", "B"]))

    assert isinstance(answers["A"], LocalSnapshot)
    assert isinstance(answers["B"], BadData)
    assert "'B' is not in the local book" in str(answers["B"])


def test_an_account_row_without_positions_is_flat(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(Account).values(account_id="A"))
    snapshot = read(engine, "A")

    assert list(snapshot.positions) == []
    assert snapshot.cash is None
    assert snapshot.equity is None


def test_an_unknown_asset_type_fails_its_account_and_no_other(engine: Engine) -> None:
    fill(engine)
    fill(engine, "B")
    with write_transaction(engine) as connection:
        connection.execute(text("UPDATE local_positions SET asset_type = 'stonk' WHERE account_id = 'A'"))
    answers = asyncio.run(SqlBook(engine).get_snapshots(["A", "B"]))

    assert isinstance(answers["A"], ReadError)
    assert "position 'AAPL': 'stonk' is not an asset type" in str(answers["A"])
    assert isinstance(answers["B"], LocalSnapshot)


def test_a_writer_between_the_two_queries_is_not_seen_by_half(engine: Engine, database_url: str) -> None:
    fill(engine)
    writer = build_engine(database_url)
    selects: list[str] = []

    def write_after_the_first_select(*arguments: object) -> None:
        selects.append(str(arguments[2]))
        if len(selects) == 1:
            with write_transaction(writer) as connection:
                connection.execute(update(Account).values(cash=Decimal(999)))
                connection.execute(update(Position).values(quantity=Decimal(999)))

    event.listen(engine, "after_cursor_execute", lambda *a: "SELECT" in str(a[2]) and write_after_the_first_select(*a))
    before = read(engine, "A")
    after = read(engine, "A")
    writer.dispose()

    assert (before.cash, before.positions[0].quantity) == (Decimal("100.50"), 10)
    assert (after.cash, after.positions[0].quantity) == (999, 999)
    assert len(selects) == 4


def test_a_sweep_costs_two_queries(engine: Engine) -> None:
    account_ids = [f"ACC{number}" for number in range(200)]
    with write_transaction(engine) as connection:
        connection.execute(insert(Account), [{"account_id": account_id} for account_id in account_ids])
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(str(a[2])))
    answers = asyncio.run(SqlBook(engine).get_snapshots(account_ids))

    assert len(answers) == 200
    assert len([statement for statement in statements if "SELECT" in statement]) == 2


def test_a_reader_cannot_write(engine: Engine) -> None:
    with pytest.raises((DBAPIError, StorageError), match=r"read-?only"), read_transaction(engine) as connection:
        connection.execute(insert(Account).values(account_id="A"))


def test_a_reader_does_not_wait_for_a_writer(engine: Engine, database_url: str) -> None:
    fill(engine)
    writer = build_engine(database_url)
    with write_transaction(writer) as connection:
        connection.execute(update(Account).values(cash=Decimal(1)))
        assert read(engine, "A").cash == Decimal("100.50")
    writer.dispose()
    assert read(engine, "A").cash == 1


def test_a_database_that_is_away_is_unavailable_and_its_password_stays_secret() -> None:
    engine = build_engine("postgresql://bob:s3cret@127.0.0.1:1/book")
    with pytest.raises(Unavailable, match=r"postgresql\+psycopg://127.0.0.1:1/book cannot be used") as caught:
        asyncio.run(SqlBook(engine).get_snapshots(["A"]))
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(engine.url)
    engine.dispose()


async def test_the_simple_port_answers_the_same(engine: Engine) -> None:
    fill(engine)
    book = SqlBook(engine)

    assert [row.symbol for row in await book.get_positions("A")] == ["AAPL"]
    assert await book.get_cash("A") == Decimal("100.50")
    assert await book.get_equity("A") == Decimal("1100.50")
    with pytest.raises(BadData):
        await book.get_positions("B")
