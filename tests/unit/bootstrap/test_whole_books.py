"""Whole books in columns and row by row: the same rows in, the same findings out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.bootstrap import whole_books
from reconciliation.bootstrap.files import StatementFile
from reconciliation.bootstrap.whole_books import BookFiles, of_a_firm
from reconciliation.domain.comparison.conclude import SymbolContext
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.domain.model.runs import RunStart
from reconciliation.errors import InvalidInputError, ReadError
from reconciliation.ports.whole_books import WholeBooks
from reconciliation.usecases.compare_books import Tolerances
from reconciliation.usecases.reconcile_book import BookReport, reconcile_book

LONG = "1" * 60
NUMBERS = ("1", "1.0", "01", "2", "-1", "-1.00", "0", "0.00", "-0", "3.3333", "3.33334", "100000.0000000001", LONG)
COSTS = ("", "5", "5.00", "5.0004", "7", "0", "123456789012345678901.12345678901")
SYMBOLS = ("AAPL", "BRK.B", "BRK/B", "MSFT", "X")
MAPPINGS = (SymbolMapping(broker="*", broker_symbol="X", local_symbol="AAPL"),)

Row = tuple[str, str, str, str, str]
Book = tuple[list[Row], list[tuple[str, str, str]], list[Row], dict[str, tuple[str, str]]]

ROW = st.tuples(
    st.sampled_from(["A", "B"]),
    st.sampled_from(SYMBOLS),
    st.sampled_from(["stock", "fund", "Stock"]),
    st.sampled_from(NUMBERS),
    st.sampled_from(COSTS),
)
BALANCE = st.sampled_from(["", "10", "10.00", "10.5", "11.01", "0"])


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Draw two books that are mostly the same."""
    local = draw(st.lists(ROW, min_size=1, max_size=6))
    broker = [draw(st.one_of(st.just(row), ROW)) for row in local if draw(st.integers(0, 4))]
    broker += draw(st.lists(ROW, max_size=1))
    accounts = sorted({row[0] for row in [*local, *broker]})
    stated = {account: (draw(BALANCE), draw(BALANCE)) for account in accounts}
    balances = [
        (account, *draw(st.one_of(st.just(stated[account]), st.tuples(BALANCE, BALANCE))))
        for account in accounts
        if draw(st.booleans())
    ]
    return local, balances, draw(st.permutations(broker)), stated


def write(folder: Path, book: Book, *, with_cost: bool = True, with_identifiers: bool = False) -> BookFiles:
    local, balances, broker, stated = book
    header = "account_id,symbol,asset_type,quantity,avg_cost"
    more = ",isin,currency" if with_identifiers else ""

    def line(row: Sequence[str], *, cost: bool = True) -> str:
        text = ",".join(row if cost else [*row[:4], ""])
        return f"{text},US{row[1]}0000,USD" if with_identifiers else text

    (folder / "local.csv").write_text("\n".join([header + more, *(line(row) for row in local)]) + "\n")
    (folder / "balances.csv").write_text(
        "\n".join(["account_id,cash,equity", *(",".join(row) for row in balances)]) + "\n"
    )
    rows = [f"{line(row, cost=with_cost)},{','.join(stated[row[0]])}" for row in broker]
    (folder / "broker.csv").write_text("\n".join([f"{header}{more},cash,equity", *rows]) + "\n")
    return files_in(folder)


def files_in(folder: Path) -> BookFiles:
    statement = StatementFile(
        path=folder / "broker.csv", format_name=None, account_ids=(), max_file_megabytes=64, options={}
    )
    return BookFiles(
        positions=folder / "local.csv",
        balances=folder / "balances.csv",
        statement=of_a_firm(statement),
        mapped_symbols=[mapping.broker_symbol for mapping in MAPPINGS],
    )


def report(books_read: WholeBooks) -> BookReport:
    return reconcile_book(
        books_read,
        Tolerances(cash=Decimal(1), equity_pct=Decimal("0.1"), cost=Decimal("0.0001")),
        SymbolContext(resolver=SymbolResolver(MAPPINGS), brokers=("csv",)),
        RunStart.now(),
    )


def answer(found: BookReport) -> dict[str, Any]:
    return {
        "accounts": (found.clean_accounts, found.compared_accounts, found.only_local, found.only_broker),
        "positions": found.positions_checked,
        "not compared": +found.not_compared,
        "incomplete": [(one.account_id, one.error) for one in found.incomplete],
        "findings": [replace(one.discrepancy, timestamp=datetime(2025, 1, 1, tzinfo=UTC)) for one in found.findings],
    }


def both(files: BookFiles) -> tuple[object, object]:
    """Return what either way finds, or the sentence with which it refuses the files."""
    found: list[object] = []
    for read in (whole_books.read_whole_books, whole_books.read_rows):
        try:
            read_books = read(files)
        except (InvalidInputError, ReadError) as error:
            found.append(str(error))
        else:
            by_row = [note for note in read_books.notes if "row by row" in note]
            assert not by_row or "long numbers in several rows" in by_row[0], by_row
            found.append(answer(report(read_books)))
    return found[0], found[1]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(book=books(), with_cost=st.booleans(), with_identifiers=st.booleans())
def test_columns_and_rows_find_the_same(tmp_path: Path, book: Book, with_cost: bool, with_identifiers: bool) -> None:
    if not book[2]:
        return
    files = write(tmp_path, book, with_cost=with_cost, with_identifiers=with_identifiers)

    in_columns, in_rows = both(files)

    assert in_columns == in_rows


def rows(*lines: str) -> list[Row]:
    return [tuple(line.split(",")) for line in lines]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("local", "broker", "left_to_judge"),
    [
        (rows("A,AAPL,stock,1,5"), rows("A,AAPL,stock,1,5"), 0),
        (rows("A,AAPL,stock,1,5"), rows("A,AAPL,stock,1.00,5.0"), 0),
        (rows("A,AAPL,stock,1,5", "A,AAPL,stock,2,5"), rows("A,AAPL,stock,3,5"), 0),
        (rows("A,AAPL,stock,1,5", "A,AAPL,stock,0,9"), rows("A,AAPL,stock,1,5"), 0),
        (rows(f"A,AAPL,stock,{LONG},5"), rows(f"A,AAPL,stock,{LONG},5"), 0),
        (rows("A,AAPL,stock,1,5", "A,AAPL,stock,2,6"), rows("A,AAPL,stock,3,5"), 1),
        (rows("A,AAPL,stock,3,5", "A,AAPL,stock,-1,5"), rows("A,AAPL,stock,2,5"), 1),
        (rows("A,AAPL,stock,1,5"), rows("A,AAPL,stock,1,5.0001"), 1),
        (rows("A,BRK.B,stock,1,5"), rows("A,BRK/B,stock,1,5"), 1),
        (rows("A,X,stock,1,5"), rows("A,X,stock,1,5"), 1),
        (rows("A,AAPL,stock,1,5"), rows("A,AAPL,fund,1,5"), 1),
    ],
)
def test_only_what_is_not_plainly_equal_is_left_to_judge(
    tmp_path: Path, local: list[Row], broker: list[Row], left_to_judge: int
) -> None:
    files = write(tmp_path, (local, [("A", "1", "2")], broker, {"A": ("1", "2")}))

    assert len(whole_books.read_whole_books(files).broker) == left_to_judge
    in_columns, in_rows = both(files)
    assert in_columns == in_rows


@pytest.mark.parametrize(
    "text",
    [
        'account_id,symbol,quantity\n"A",AAPL,1\n',
        "account_id,symbol,quantity\nA,AAPL,1e2\n",
        "account_id,symbol,quantity,side\nA,AAPL,1,short\n",
        "account_id,symbol,quantity,as_of\nA,AAPL,1,20250101\nA,AAPL,2,20250102\n",
        "account_id;symbol;quantity\nA;AAPL;1\n",
        "account_id,symbol,quantity\r\nA,AAPL,1\r\n\r\n",
    ],
)
def test_what_columns_cannot_read_is_read_row_by_row_and_said(tmp_path: Path, text: str) -> None:
    files = write(tmp_path, (rows("A,AAPL,stock,1,5"), [], [], {}))
    (tmp_path / "broker.csv").write_text(text, newline="")

    found = whole_books.read_whole_books(files)

    assert answer(report(found)) == answer(report(whole_books.read_rows(files)))
    assert any("row by row" in note for note in found.notes)


@pytest.mark.parametrize(
    "text",
    [
        "account_id,symbol,quantity\nA,AAPL,many\n",
        "account_id,symbol,quantity\nA,AAPL\nA,MSFT,1,2\n",
        "account_id,symbol,quantity\nA,,5\n",
        "account_id,symbol,quantity\n,AAPL,5\n",
        "account_id,symbol,quantity,asset_type\nA,AAPL,5,share\n",
        "account_id,symbol,quantity,cash\nA,AAPL,5,1\nA,MSFT,5,2\n",
        f"account_id,symbol,quantity\nA,AAPL,{'9' * 61}\n",
        "account_id,symbol,quantity\n",
        "account_id,symbol,symbol,quantity\nA,AAPL,MSFT,1\n",
    ],
)
def test_a_fault_is_named_with_its_line_whichever_way_is_gone(tmp_path: Path, text: str) -> None:
    files = write(tmp_path, (rows("A,AAPL,stock,1,5"), [], [], {}))
    (tmp_path / "broker.csv").write_text(text)

    with pytest.raises((InvalidInputError, ReadError)) as in_columns:
        whole_books.read_whole_books(files)
    with pytest.raises((InvalidInputError, ReadError)) as in_rows:
        whole_books.read_rows(files)
    assert str(in_columns.value) == str(in_rows.value)


def test_without_polars_the_rows_are_read_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_books, "find_spec", lambda _name: None)
    files = write(tmp_path, (rows("A,AAPL,stock,1,5"), [], rows("A,AAPL,stock,1,5"), {"A": ("1", "2")}))

    found = whole_books.read_whole_books(files)

    assert "install reconciliation-workers[bulk]" in found.notes[-1]
    assert list(found.broker) == ["A"]
