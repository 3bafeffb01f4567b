import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.adapters.books.user_tables.options import parse_options
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import ConfigurationError, Unavailable

COLUMNS = {"account_id": "acct", "symbol": "ticker", "quantity": "qty"}


def mapped(columns: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    source = {"table": "holdings", "columns": COLUMNS, "constants": {"asset_type": "stock"}, **options}
    return {"positions": source | ({"columns": COLUMNS | columns} if columns else {})}


def asked(query: str, **options: Any) -> dict[str, Any]:
    return {"positions": {"query": query, "constants": {"asset_type": "stock"}, **options}}


@pytest.mark.parametrize(
    ("mode", "options", "complaint"),
    [
        ("table", {}, "local_options: positions: Field required"),
        ("table", mapped() | {"row_cap": 3}, "local_options: row_cap: Extra inputs are not permitted"),
        (
            "table",
            mapped({"qantity": "qty"}),
            "positions.columns: 'qantity' is not one of account_id, symbol, quantity",
        ),
        ("table", {"positions": {"table": "holdings"}}, "positions: 'account_id' is missing: map it in `columns`"),
        ("table", mapped(constants={}), "positions: 'asset_type' is missing"),
        ("table", mapped(constants={"asset_type": "stock", "symbol": "x"}), "'symbol' is both a column and a constant"),
        ("table", mapped(scale={"quantity": 0}), "positions.scale.quantity: Input should be greater than 0"),
        ("table", mapped(fills=True), "`fills` need `order_by`"),
        ("table", mapped(query="SELECT 1"), "give either `table` or `query`"),
        ("table", asked("SELECT :account_id"), 'local = "table" needs a `table`'),
        ("query", asked("SELECT 1"), "the query takes no account|query takes no account: bind it"),
        ("query", asked("SELECT 1 = ANY(:account_ids)"), "write `IN :account_ids` instead"),
        ("query", asked("SELECT ':30' WHERE 'A' = :account_id"), "nothing is known of :30"),
        ("query", {"file": "/none.toml"}, "the file /none.toml cannot be read: No such file"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(mode: Any, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        UserTablesBook.of(mode, options, "sqlite:////tmp/none.db")


def test_options_may_stand_in_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "book.toml"
    path.write_text(
        """
        [positions]
        table = "holdings"
        columns = { account_id = "acct", symbol = "ticker", quantity = "qty" }
        constants = { asset_type = "stock" }
        scale = { quantity = 0.1 }
        """
    )
    options = parse_options("table", {"file": str(path)})
    assert options == parse_options("table", mapped(scale={"quantity": "0.1"}))
    path.write_text("[positions")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        parse_options("table", {"file": str(path)})


def test_a_database_that_is_away_is_unavailable_and_its_password_stays_secret() -> None:
    book = UserTablesBook.of("table", mapped(), "postgresql://bob:s3cret@127.0.0.1:1/book")
    with pytest.raises(Unavailable, match=r"postgresql\+psycopg://127.0.0.1:1/book cannot be read") as caught:
        book.read(["A"])
    assert "s3cret" not in str(caught.value)
    book.close()


def test_a_sqlite_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "own book? 100%25 #1.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE holdings (acct, ticker, qty); INSERT INTO holdings VALUES ('A', 'X', 1);")
    url = URL.create("sqlite", database=str(path)).render_as_string()
    book = UserTablesBook(parse_options("table", mapped()), url)
    assert isinstance(book.read(["A"])["A"], LocalSnapshot)
    book.close()


def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    book = UserTablesBook.of("table", mapped(), f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(Unavailable, match="unable to open database file"):
        book.read(["A"])
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(ConfigurationError, match="in memory"):
        UserTablesBook.of("table", mapped(), "sqlite://")
