"""Every mistake of a mapping, and every row that cannot be read, as a sentence; never a flat or a half book."""

from typing import Any

import pytest
from sqlalchemy import event

from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import BadData, ReadError, Unavailable
from tests.integration.adapters.books.user_tables.conftest import Make, TheirDatabase

COLUMNS = {"account_id": "acct", "symbol": "ticker", "quantity": "qty"}


@pytest.fixture(autouse=True)
def table(broker: TheirDatabase) -> None:
    broker.run(
        "CREATE TABLE holdings (acct VARCHAR(9), ticker VARCHAR(9), qty VARCHAR(40), side VARCHAR(9), kind VARCHAR(5))",
        "INSERT INTO holdings VALUES ('A', 'AAPL', '1', 'buy', 'stock'), ('B', 'MSFT', '2', 'sell', 'stock')",
    )


def mapped(columns: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    source = {"table": "holdings", "columns": COLUMNS, "constants": {"asset_type": "stock"}, **options}
    return {"positions": source | ({"columns": COLUMNS | columns} if columns else {})}


def asked(query: str, **options: Any) -> dict[str, Any]:
    return {"positions": {"query": query, "constants": {"asset_type": "stock"}, **options}}


def fault(book: UserTablesBook, account_id: str = "A") -> str:
    answer = book.read([account_id])[account_id]
    assert isinstance(answer, ReadError)
    return str(answer)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            mapped({"quantity": "qyt"}),
            "columns.quantity: the table 'holdings' has no column 'qyt'; did you mean",
        ),
        (mapped({"avg_cost": "zzz"}), "no column 'zzz'; it has: acct, kind, qty, side, ticker"),
        (mapped(table="holding"), "there is no table 'holding'; did you mean 'holdings'?"),
        (mapped(where="sqty > 1"), "a query is wrong: .*sqty"),
        (mapped(fills=True, order_by=["at"]), "positions.order_by: the table 'holdings' has no column 'at'"),
    ],
)
def test_a_map_that_does_not_fit_the_table_names_the_column(
    make_book: Make, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadData, match=complaint):
        make_book("table", **options).read(["A"])


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("SELECT ticker AS symbol FROM holdings WHERE acct IN :account_ids", "gives no column 'account_id'"),
        (
            "SELECT ticker AS symbol FROM holdings WHERE acct = :account_id",
            "no column 'quantity'.*it gives symbol",
        ),
        (
            "SELECT ticker AS symbol, qty AS quantity, 1 AS avgcost FROM holdings WHERE acct = :account_id",
            "the unknown column 'avgcost'; a column is one of account_id, symbol",
        ),
        (
            "SELECT ticker AS symbol, qty AS quantity, 1 AS quantity FROM holdings WHERE acct = :account_id",
            "gives twice the column 'quantity'",
        ),
        ("SELECT nothing FROM holdings WHERE acct = :account_id", "a query is wrong: .*nothing"),
        ("SELEKT 1 WHERE 'A' = :account_id", "a query is wrong"),
        (
            "SELECT acct AS account_id, ticker AS symbol, qty AS quantity FROM holdings WHERE 'A' = :account_id",
            "asked for account 'A', the query gave one of 'B'",
        ),
    ],
)
def test_a_query_that_does_not_give_what_is_needed_says_what(make_book: Make, query: str, complaint: str) -> None:
    with pytest.raises(BadData, match=complaint):
        make_book("query", **asked(query)).read(["A"])


@pytest.mark.parametrize(
    ("quantity", "complaint"),
    [
        ("NULL", r"row 2, column 'qty' \(quantity\): is NULL, which is not zero"),
        ("'ten'", r"row 2, column 'qty' \(quantity\): 'ten' is not a number"),
        ("'1,000'", "'1,000' is not a number"),
        ("'1_000'", "'1_000' is not a number"),
        ("'NaN'", "'NaN' is not a finite number"),
        ("''", "'' is not a number"),
    ],
)
def test_a_quantity_that_is_none_fails_its_account_and_no_other(
    broker: TheirDatabase, make_book: Make, quantity: str, complaint: str
) -> None:
    broker.run(f"INSERT INTO holdings VALUES ('A', 'X', {quantity}, 'buy', 'stock')")  # noqa: S608
    answers = make_book("table", **mapped()).read(["A", "B"])

    assert isinstance(answers["A"], BadData)
    with pytest.raises(BadData, match="local book, positions of account 'A': .*" + complaint):
        raise answers["A"]
    assert isinstance(answers["B"], LocalSnapshot)


@pytest.mark.parametrize(
    ("row", "options", "complaint"),
    [
        ("'A', 'X', '1', 'hold', ''", mapped({"side": "side"}), "column 'side': 'hold' is none of the words for long"),
        ("'A', 'X', '-1', 'sell', ''", mapped({"side": "side"}), "has a sign, and so has the side column"),
        ("'A', 'X', '1', NULL, ''", mapped({"side": "side"}), "column 'side': is empty"),
        ("'A', '', '1', '', ''", mapped(), r"column 'ticker' \(symbol\): is empty"),
        (
            "'A', 'X', '1', '', 'EQ'",
            mapped({"asset_type": "kind"}, constants={}),
            "'EQ' is not one of .*asset_types",
        ),
        ("'A', '{', '1', '', ''", mapped({"symbol": "ticker->s"}), "column 'ticker->s' .symbol.: .* is not JSON"),
    ],
)
def test_a_value_that_means_nothing_is_named(
    broker: TheirDatabase, make_book: Make, row: str, options: dict[str, Any], complaint: str
) -> None:
    broker.run("DELETE FROM holdings", f"INSERT INTO holdings VALUES ({row})")  # noqa: S608
    with pytest.raises(BadData, match=complaint):
        raise BadData(fault(make_book("table", **options)))


def test_an_account_without_rows_is_unknown_unless_something_knows_it(broker: TheirDatabase, make_book: Make) -> None:
    broker.run("CREATE TABLE clients (name VARCHAR(9))", "INSERT INTO clients VALUES ('C')")
    accounts = {"table": "clients", "columns": {"account_id": "name"}}

    assert "there is no row, which does not say flat" in fault(make_book("table", **mapped()), "C")
    known = make_book("table", **mapped(), accounts=accounts)
    assert isinstance(known.read(["C"])["C"], LocalSnapshot)
    assert isinstance(known.read(["D"])["D"], BadData)
    flat = make_book("table", **mapped(), no_rows="flat", cash_split_is_whole=True).read(["D"])["D"]
    assert isinstance(flat, LocalSnapshot)
    assert flat.cash_split_is_whole


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM holdings WHERE acct = :account_id",
        "DELETE FROM holdings WHERE acct = :account_id RETURNING ticker AS symbol, qty AS quantity",
        "UPDATE holdings SET qty = '0' WHERE acct = :account_id",
        "WITH gone AS (SELECT 1) DELETE FROM holdings WHERE acct = :account_id",
        "DROP TABLE holdings",
    ],
)
def test_a_query_that_writes_is_refused_by_the_database_itself(
    broker: TheirDatabase, make_book: Make, query: str
) -> None:
    with pytest.raises(BadData, match=r"read-?only|a query is wrong"):
        make_book("query", **asked(query, constants={"asset_type": "stock", "account_id": "A"})).read(["A"])
    assert broker.scalar("SELECT COUNT(*) FROM holdings WHERE qty <> '0'") == 2


def test_a_second_statement_is_not_run(broker: TheirDatabase, make_book: Make) -> None:
    query = (
        "SELECT ticker AS symbol, qty AS quantity FROM holdings WHERE acct = :account_id; COMMIT; DELETE FROM holdings"
    )
    with pytest.raises(ReadError):
        make_book("query", **asked(query)).read(["A"])
    with pytest.raises(ReadError):
        make_book("table", **mapped(where="1 = 1); COMMIT; DELETE FROM holdings; SELECT (1")).read(["A"])
    assert broker.scalar("SELECT COUNT(*) FROM holdings") == 2


def test_a_query_that_takes_too_long_is_stopped(broker: TheirDatabase, make_book: Make) -> None:
    endless = (
        "SELECT CAST(pg_sleep(60) AS VARCHAR) AS symbol, 1 AS quantity WHERE 'A' = :account_id"
        if broker.kind == "postgresql"
        else "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT 'x' AS symbol, SUM(i) AS quantity FROM n WHERE 'A' = :account_id"
    )
    with pytest.raises(Unavailable, match=r"took longer than 0.3 s and was stopped"):
        make_book("query", **asked(endless), statement_timeout_seconds=0.3).read(["A"])


def test_more_rows_than_the_cap_fail_their_account_and_no_other(broker: TheirDatabase, make_book: Make) -> None:
    broker.run(*["INSERT INTO holdings VALUES ('A', 'X', '1', 'buy', 'stock')"] * 3)
    answers = make_book("table", **mapped(), max_rows_per_account=3).read(["A", "B"])

    assert "more than max_rows_per_account (3) rows" in str(answers["A"])
    assert isinstance(answers["B"], LocalSnapshot)


def test_positions_and_balances_are_of_one_moment(broker: TheirDatabase, make_book: Make) -> None:
    broker.run("CREATE TABLE cash (acct VARCHAR(9), cash INTEGER)", "INSERT INTO cash VALUES ('A', 1)")
    if broker.kind == "sqlite":
        broker.run("PRAGMA journal_mode = WAL")  # else the writer would wait for the reader
    book = make_book("table", **mapped(), balances={"table": "cash", "columns": {"account_id": "acct", "cash": "cash"}})
    reads: list[str] = []

    def write_after_the_positions(*arguments: Any) -> None:
        if "FROM holdings" in arguments[2]:
            reads.append(arguments[2])
            broker.run("UPDATE cash SET cash = 2", "UPDATE holdings SET qty = '2'")

    event.listen(book._database._engine, "after_cursor_execute", write_after_the_positions)
    before = book.read(["A"])["A"]
    after = book.read(["A"])["A"]

    assert isinstance(before, LocalSnapshot)
    assert isinstance(after, LocalSnapshot)
    assert (before.positions[0].quantity, before.cash) == (1, 1)
    assert (after.positions[0].quantity, after.cash) == (2, 2)
    assert len(reads) == 2
