"""The four shapes of docs/your-own-tables.md, and what else tables in the wild hold."""

import re
import tomllib
from decimal import Decimal
from typing import Any

from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import LocalSnapshot
from tests.integration.adapters.books.user_tables.conftest import Make, TheirDatabase
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "your-own-tables.md"


def shape(number: int) -> dict[str, Any]:
    """The options of a shape as the page has them; SQLite has no schema of that name."""
    block = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[number]
    return tomllib.loads(block.replace("trading.", ""))


def held(book: UserTablesBook, account_id: str = "A") -> list[tuple[str, str, Decimal, Decimal | None]]:
    answer = book.read([account_id])[account_id]
    assert isinstance(answer, LocalSnapshot), str(answer)
    return sorted((row.symbol, row.asset_type.value, row.quantity, row.avg_cost) for row in answer.positions)


def test_signed_rows(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(
        "CREATE TABLE positions (acct VARCHAR(20), ticker VARCHAR(20), qty NUMERIC(20, 8), px NUMERIC(20, 8))",
        "INSERT INTO positions VALUES ('A', 'AAPL', -10.5, 190.12345678), ('A', 'MSFT', 3, NULL), ('B', 'TSLA', 1, 1)",
        "CREATE TABLE accounts (acct VARCHAR(20), cash NUMERIC(20, 2), nav NUMERIC(20, 2))",
        "INSERT INTO accounts VALUES ('A', 100.10, 2000.20), ('C', 5, 5)",
    )
    book = make_book("table", **shape(0))

    assert held(book) == [
        ("AAPL", "stock", Decimal("-10.5"), Decimal("190.12345678")),
        ("MSFT", "stock", Decimal(3), None),
    ]
    answers = book.read(["A", "C"])
    assert isinstance(answers["A"], LocalSnapshot)
    assert (answers["A"].cash, answers["A"].equity) == (Decimal("100.10"), Decimal("2000.20"))
    assert isinstance(answers["C"], LocalSnapshot)
    assert (list(answers["C"].positions), answers["C"].cash) == ([], 5)


def test_unsigned_rows_with_a_side_column(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(
        "CREATE TABLE open_trades (id INTEGER, account INTEGER, symbol VARCHAR(20), kind VARCHAR(9), "
        "direction VARCHAR(9), size VARCHAR(30), entry VARCHAR(30), status VARCHAR(9))",
        "INSERT INTO open_trades VALUES (1, 7, 'AAPL', 'EQ', 'Buy', '10', '100', 'OPEN'), "
        "(2, 7, 'AAPL', 'EQ', 'BUY', '30', '120', 'OPEN'), (3, 7, 'ES', 'FUT', 'SELL', '2', '5000', 'OPEN'), "
        "(4, 7, 'AAPL', 'EQ', 'BUY', '99', '1', 'CLOSED'), (5, 8, 'X', 'EQ', 'BUY', '1', '1', 'OPEN')",
    )
    book = make_book("table", **shape(1))

    assert held(book, "7") == [
        ("AAPL", "stock", Decimal(10), Decimal(100)),
        ("AAPL", "stock", Decimal(30), Decimal(120)),
        ("ES", "future", Decimal(-2), Decimal(5000)),
    ]


def test_scaled_integers_by_a_query(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(
        "CREATE TABLE ledger (account VARCHAR(20), pair VARCHAR(20), qty_e8 BIGINT, cost_e2 BIGINT)",
        "INSERT INTO ledger VALUES ('A', 'BTC/USD', 12345678, 6000050), ('A', 'ETH/USD', -1, NULL)",
        "CREATE TABLE wallet (account VARCHAR(20), ccy VARCHAR(5), cents BIGINT)",
        "INSERT INTO wallet VALUES ('A', 'USD', 12345), ('A', 'EUR', -5)",
    )
    book = make_book("query", **shape(2))

    assert held(book) == [
        ("BTC/USD", "crypto", Decimal("0.12345678"), Decimal("60000.50")),
        ("ETH/USD", "crypto", Decimal("-1E-8"), None),
    ]
    answer = book.read(["A"])["A"]
    assert isinstance(answer, LocalSnapshot)
    assert answer.cash is None
    assert answer.cash_by_currency == {"USD": Decimal("123.45"), "EUR": Decimal("-0.05")}


def test_fills_to_be_added_up(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(
        "CREATE TABLE fills (n INTEGER, account VARCHAR(20), symbol VARCHAR(20), side VARCHAR(4), "
        "qty DOUBLE PRECISION, price DOUBLE PRECISION)",
        "INSERT INTO fills VALUES (4, 'A', 'AAPL', 'sell', 5, 150), (1, 'A', 'AAPL', 'buy', 10, 100), "
        "(2, 'A', 'AAPL', 'buy', 10, 110.5), (1, 'A', 'MSFT', 'buy', 3, 10), (2, 'A', 'MSFT', 'sell', 3, 12), "
        "(1, 'A', 'TSLA', 'buy', 0.1, 10), (2, 'A', 'TSLA', 'buy', 0.2, 10), (3, 'A', 'TSLA', 'sell', 1.3, 20)",
    )
    book = make_book("table", **shape(3))

    assert held(book) == [
        ("AAPL", "stock", Decimal(15), Decimal("105.25")),  # MSFT is flat; TSLA went through zero
        ("TSLA", "stock", Decimal("-1.0"), Decimal(20)),
    ]


def test_values_within_json_and_an_account_that_is_a_constant(broker: TheirDatabase, make_book: Make) -> None:
    kind = "JSONB" if broker.kind == "postgresql" else "TEXT"
    broker.run(
        f"CREATE TABLE docs (body {kind})",
        """INSERT INTO docs VALUES ('{"sym": "AAPL", "pos": {"qty"\\: 0.12345678901234567890}, "px"\\: "1.5"}')""",
    )
    book = make_book(
        positions={
            "table": "docs",
            "columns": {"symbol": "body->sym", "quantity": "body->pos->qty", "avg_cost": "body->px"},
            "constants": {"asset_type": "stock", "account_id": "A"},
        }
    )

    assert held(book) == [("AAPL", "stock", Decimal("0.12345678901234567890"), Decimal("1.5"))]


def test_identifiers_multiplier_and_currency_come_along(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(
        "CREATE TABLE p (account_id VARCHAR(9), symbol VARCHAR(30), quantity INTEGER, isin VARCHAR(12), conid INTEGER)",
        "INSERT INTO p VALUES ('A', 'AAPL  260116C00200000', 1, 'US0378331005', 265598)",
    )
    book = make_book(
        positions={
            "table": "p",
            "columns": {name: name for name in ("account_id", "symbol", "quantity", "isin", "conid")},
            "constants": {"asset_type": "option", "multiplier": "100", "currency": "USD"},
        }
    )
    answer = book.read(["A"])["A"]

    assert isinstance(answer, LocalSnapshot)
    [row] = answer.positions
    assert row[:4] == ("AAPL  260116C00200000", 1, None, AssetType.OPTION)
    assert row[4:] == ("USD", 100, {"isin": "US0378331005", "conid": "265598"})


def test_a_schema_and_an_account_that_is_a_uuid(broker: TheirDatabase, make_book: Make) -> None:
    if broker.kind == "sqlite":
        broker.run("CREATE TABLE p (id VARCHAR(36), s VARCHAR(9), q INTEGER)")
        table = "main.p"
    else:
        broker.run("CREATE SCHEMA trading", "CREATE TABLE trading.p (id UUID, s VARCHAR(9), q INTEGER)")
        table = "trading.p"
    account = "6f1ed002-ab5e-4d0a-b2c9-0b7d1a2c3d4e"
    broker.run(f"INSERT INTO {table} VALUES ('{account}', 'X', 1)")  # noqa: S608 - both are ours
    book = make_book(
        positions={
            "table": table,
            "columns": {"account_id": "id", "symbol": "s", "quantity": "q"},
            "constants": {"asset_type": "stock"},
        }
    )

    assert held(book, account) == [("X", "stock", Decimal(1), None)]
