from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.books import csv_table
from reconciliation.adapters.books.csv import CsvBook, read_book
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import BadData, InvalidInputError
from reconciliation.ports.local_book import LocalBook, PositionProvider

HEADER = "account_id,symbol,asset_type,quantity,avg_cost\n"


def positions(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "positions.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def balances(tmp_path: Path, *lines: str, header: str = "account_id,cash,equity\n") -> Path:
    path = tmp_path / "balances.csv"
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def test_both_files_make_one_book(tmp_path: Path) -> None:
    book = read_book(
        positions(tmp_path, "A,AAPL,stock,-100.50,150.25", "A,BTC/USD,crypto,0.1,"),
        balances(tmp_path, "A,1000.10,2000", "B,,5"),
    )

    assert list(book) == ["A", "B"]
    apple, bitcoin = book["A"].positions
    assert (apple.symbol, apple.asset_type, apple.quantity, apple.avg_cost) == (
        "AAPL",
        AssetType.STOCK,
        Decimal("-100.50"),
        Decimal("150.25"),
    )
    assert bitcoin.avg_cost is None
    assert (book["A"].cash, book["A"].equity) == (Decimal("1000.10"), 2000)
    assert (book["B"].cash, book["B"].equity, list(book["B"].positions)) == (None, 5, [])


def test_what_spreadsheets_do_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    path.write_bytes(
        "\ufeffAccount_ID,Note,symbol,asset_type,quantity,avg_cost\r\n"
        'A,"one, two","BRK B",Stock, 10 ,"1.5"\r\n\r\n'.encode()
    )
    [row] = read_book(path)["A"].positions

    assert (row.symbol, row.asset_type, row.quantity) == ("BRK B", AssetType.STOCK, 10)


def test_more_columns_are_understood(tmp_path: Path) -> None:
    path = positions(
        tmp_path,
        "A,AAPL,stock,1,,USD,100,US0378331005",
        header=HEADER.strip() + ",currency,multiplier,isin\n",
    )
    [row] = read_book(path)["A"].positions

    assert (row.currency, row.multiplier, row.identifiers) == ("USD", 100, {"isin": "US0378331005"})  # type: ignore[attr-defined]


def test_a_row_for_each_currency_gives_cash_by_currency_and_no_total(tmp_path: Path) -> None:
    figures = balances(tmp_path, "A,USD,10,100", "A,EUR,20,", header="account_id,currency,cash,equity\n")
    book = read_book(positions(tmp_path), figures)["A"]

    assert book.cash is None
    assert book.cash_by_currency == {"USD": 10, "EUR": 20}
    assert (book.equity, book.currency) == (100, "USD")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("A,AAPL,stock,NaN,1", "line 2, column 'quantity': 'NaN' is not a finite number"),
        ("A,AAPL,stock,1_000,1", "line 2, column 'quantity': '1_000' is not a number"),
        ("A,AAPL,stock,ten,1", "line 2, column 'quantity': 'ten' is not a number"),
        ("A,AAPL,stock,,1", "line 2, column 'quantity': is empty"),
        ('A,AAPL,stock,"1,000",1', "line 2, column 'quantity': '1,000' is not a number"),
        ("A,AAPL,stock,1e99,1", "line 2, column 'quantity': a number of more than 60 digits is not plausible"),
        ("A,AAPL,stock,1,inf", "line 2, column 'avg_cost': 'inf' is not a finite number"),
        ("A,AAPL,stonk,1,1", "line 2, column 'asset_type': 'stonk' is not one of stock, option"),
        ("A,,stock,1,1", "line 2, column 'symbol': is empty"),
        (",AAPL,stock,1,1", "line 2, column 'account_id': is empty"),
        ("A,AAPL,stock,1", "line 2: 4 values under a header of 5 columns; is the file cut off?"),
        ('A,AAPL,stock,1,"1', "line 2: unexpected end of data; is the file cut off?"),
        ("A,AA\0PL,stock,1,1", "line 2: it holds a NUL byte"),
        ("A," + "x" * 70_000 + ",stock,1,1", "line 2: it is longer than 65,536 characters"),
    ],
)
def test_a_fault_is_named_with_file_line_and_column(tmp_path: Path, line: str, complaint: str) -> None:
    path = positions(tmp_path, line)
    with pytest.raises(InvalidInputError) as caught:
        read_book(path)
    assert str(caught.value).startswith(f"{path}, {complaint}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: its first line must name the columns account_id, symbol"),
        (b"account_id,symbol,quantity\n", "line 1: the column 'asset_type' is missing; found: account_id, symbol"),
        (b"account_id,symbol,symbol,asset_type,quantity,avg_cost\n", "line 1: the column 'symbol' is there twice"),
        (HEADER.encode() + "A,AÄ,stock,1,1\n".encode("latin-1"), "is not UTF-8 text: save it as CSV UTF-8"),
        (HEADER.encode("utf-16"), "is not UTF-8 text"),
        (b"\x7fELF\x00\x00", "line 1: it holds a NUL byte"),
    ],
)
def test_a_file_that_is_no_book_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "positions.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        read_book(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_and_a_huge_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        read_book(tmp_path / "none.csv")
    path = positions(tmp_path, "A,AAPL,stock,1,1")
    monkeypatch.setattr(csv_table, "MAX_FILE_BYTES", 10)
    with pytest.raises(InvalidInputError, match=r"bytes: the limit is 10"):
        read_book(path)


@pytest.mark.parametrize(
    ("header", "lines", "complaint"),
    [
        (
            "account_id,cash,equity\n",
            ["A,1,1", "A,1,1"],
            "line 3: account 'A' has balances already",
        ),
        ("account_id,currency,cash,equity\n", ["A,USD,1,1", "A,USD,1,"], "line 3: account 'A' has balances already"),
        (
            "account_id,currency,cash,equity\n",
            ["A,USD,1,1", "A,EUR,1,1"],
            "line 3: account 'A' has an equity already",
        ),
        ("account_id,cash,equity\n", ["A,x,1"], "line 2, column 'cash': 'x' is not a number"),
    ],
)
def test_balances_that_contradict_themselves_are_refused(
    tmp_path: Path, header: str, lines: list[str], complaint: str
) -> None:
    path = balances(tmp_path, *lines, header=header)
    with pytest.raises(InvalidInputError) as caught:
        read_book(positions(tmp_path), path)
    assert str(caught.value).startswith(f"{path}, {complaint}")


async def test_an_account_in_neither_file_is_unknown_and_never_flat(tmp_path: Path) -> None:
    book = CsvBook(positions(tmp_path, "A,AAPL,stock,1,1"), balances(tmp_path, "B,1,1"))
    answers = await book.get_snapshots(["A", "B", "C"])

    assert isinstance(answers["A"], LocalSnapshot)
    assert isinstance(answers["B"], LocalSnapshot)
    assert isinstance(answers["C"], BadData)
    with pytest.raises(BadData, match=r"'C' is not in .*positions.csv and .*balances.csv"):
        await book.get_cash("C")


async def test_the_file_is_read_at_each_call_and_its_faults_are_bad_data(tmp_path: Path) -> None:
    path = positions(tmp_path, "A,AAPL,stock,1,1")
    book = CsvBook(path)
    assert [row.quantity for row in await book.get_positions("A")] == [1]
    positions(tmp_path, "A,AAPL,stock,2,1")
    assert [row.quantity for row in await book.get_positions("A")] == [2]
    positions(tmp_path, "A,AAPL,stock,x,1")
    with pytest.raises(BadData, match="line 2, column 'quantity'"):
        await book.get_equity("A")


def test_it_is_both_a_book_and_a_provider(tmp_path: Path) -> None:
    book = CsvBook(positions(tmp_path, "A,AAPL,stock,1,1"))

    assert isinstance(book, LocalBook)
    assert isinstance(book, PositionProvider)
    assert list(book.read()) == ["A"]


async def test_a_book_says_that_its_cash_by_currency_is_whole_only_where_it_was_configured(tmp_path: Path) -> None:
    paths = positions(tmp_path), balances(tmp_path, "A,1,1,USD", header="account_id,cash,equity,currency\n")
    stated = (await CsvBook(*paths, cash_split_is_whole=True).get_snapshots(["A"]))["A"]
    silent = (await CsvBook(*paths).get_snapshots(["A"]))["A"]
    assert isinstance(stated, LocalSnapshot)
    assert isinstance(silent, LocalSnapshot)
    assert (stated.cash_split_is_whole, silent.cash_split_is_whole) == (True, False)
