import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping_file import mapping_from_table
from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.errors import BadData, Incomplete
from tests.builders.spreadsheets import write_xlsx

HEADER = ["account_id", "symbol", "quantity", "avg_cost"]


@pytest.fixture
def book(tmp_path: Path) -> StatementSource:
    return StatementSource(path=tmp_path / "positions.xlsx")


def mapped(**tables: Any) -> Any:
    return mapping_from_table(tables)


def test_a_spreadsheet_is_read_by_the_same_names_as_csv(book: StatementSource) -> None:
    write_xlsx(book.path, {"Positions": [HEADER, ["A", "X", 100, 0.1 + 0.2], ["A", "Y", "2.5", ""]]})

    (statement,) = read_statements(book)

    # What a spreadsheet keeps behind 15 digits is no figure.
    assert [(row.symbol, row.quantity, row.avg_cost) for row in statement.positions or ()] == [
        ("X", Decimal(100), Decimal("0.3")),
        ("Y", Decimal("2.5"), None),
    ]


def test_numbers_of_a_spreadsheet_do_not_depend_on_the_signs_of_its_texts(book: StatementSource) -> None:
    write_xlsx(book.path, {"1": [HEADER, ["A", "X", 8500.25, "1.234,5"]]})

    (statement,) = read_csv(book, mapped(file={"decimal": ",", "thousands": "."}))

    assert [(row.quantity, row.avg_cost) for row in statement.positions or ()] == [
        (Decimal("8500.25"), Decimal("1234.5"))
    ]


def test_an_export_in_a_spreadsheet_is_known_by_its_header(book: StatementSource) -> None:
    header = ["Account Number", "Investment Name", "Symbol", "Shares", "Share Price", "Total Value"]
    write_xlsx(book.path, {"1": [["Your holdings"], [], header, ["500001", "ABC ETF", "ABC", 7, 600, 4200]]})

    (statement,) = read_csv(book)

    assert statement.account_id == "500001"
    assert statement.notes == ("read as an export of Vanguard",)


def test_the_sheet_that_the_mapping_names_is_read(book: StatementSource) -> None:
    write_xlsx(book.path, {"Cover": [["Hello"]], "Holdings": [HEADER, ["A", "X", 1, 1]]})

    assert len(read_csv(book, mapped(file={"sheet": "Holdings"}))) == 1
    with pytest.raises(BadData, match="has no sheet 'Lots'; it has: Cover, Holdings"):
        read_csv(book, mapped(file={"sheet": "Lots"}))


def test_a_sheet_without_its_last_row_is_cut_off(book: StatementSource) -> None:
    write_xlsx(book.path, {"1": [HEADER, ["A", "X", 1, 1]]})

    with pytest.raises(Incomplete, match="does not begin with 'Total'"):
        read_csv(book, mapped(file={"last_line_starts_with": "Total"}))


@pytest.mark.parametrize("content", [b"PK\x03\x04 and nothing else", b"PK\x03\x04" + b"\0" * 200])
def test_what_only_begins_like_a_spreadsheet_is_refused(book: StatementSource, content: bytes) -> None:
    book.path.write_bytes(content)

    with pytest.raises(BadData, match="no XLSX file"):
        read_csv(book)


def test_an_archive_that_is_no_spreadsheet_is_refused(book: StatementSource) -> None:
    with zipfile.ZipFile(book.path, "w") as archive:
        archive.writestr("readme.txt", "no sheet")

    with pytest.raises(BadData, match="no XLSX file"):
        read_csv(book)


def test_a_small_file_that_unpacks_to_the_memory_of_the_machine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 9 * 1024 * 1024)

    with pytest.raises(BadData, match="9 MB when unpacked: the limit is 8 MB"):
        read_csv(StatementSource(path=path, max_file_megabytes=1))
