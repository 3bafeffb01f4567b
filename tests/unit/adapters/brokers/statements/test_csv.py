from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping import CsvMapping
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, mapping_from_table
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import BadData, ConfigurationError, Incomplete

GERMAN = """\
Depotauszug vom 15.01.2025
Konto;Kürzel;Art;K/V;Stück;Kurs;Wert;Währung
4711;SAP;Aktie;K;1.234,5;100,25;(150.000,00);EUR
4711;VOW;Aktie;V;20;99,5;1.990,00-;EUR
4711;KASSE;Geld;K;5.000,00;;;EUR
Summe;;;;;;;
"""
GERMAN_MAPPING = """
[file]
delimiter = ";"
encoding = "cp1252"
decimal = ","
thousands = "."
skip_lines = 1
last_line_starts_with = "Summe"

[columns]
account = "Konto"
symbol = "Kürzel"
asset_type = "Art"
side = "K/V"
quantity = "Stück"
avg_cost = "Kurs"
market_value = "Wert"
currency = "Währung"

[side]
long = ["K"]
short = ["V"]

[asset_types]
Aktie = "stock"

[cash]
symbols = ["KASSE"]
"""


def mapped(**tables: Any) -> CsvMapping:
    return mapping_from_table(tables)


def read(source: StatementSource, text: str, mapping: CsvMapping | None = None) -> list[Statement]:
    source.path.write_text(text)
    return read_csv(source, mapping)


async def test_an_export_of_other_habits_is_read_by_its_mapping(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(GERMAN_MAPPING)
    (tmp_path / "s.csv").write_bytes(GERMAN.encode("cp1252"))
    broker = open_broker("csv", {"path": str(tmp_path / "s.csv"), "mapping": str(tmp_path / "m.toml")})

    sap, vow = await broker.get_positions("4711")
    account = await broker.get_account("4711")

    assert (sap.symbol, sap.quantity, sap.avg_cost) == ("SAP", Decimal("1234.5"), Decimal("100.25"))
    assert (sap.market_value, sap.asset_type, sap.currency) == (Decimal(-150000), AssetType.STOCK, "EUR")
    assert (vow.quantity, vow.market_value) == (-20, -1990)
    assert (account.cash, account.currency, account.total_equity) == (5000, "EUR", None)


def test_a_footer_that_is_missing_shows_that_the_file_is_cut_off(source: StatementSource) -> None:
    source.path.write_bytes(GERMAN.replace("Summe;;;;;;;\n", "").encode("cp1252"))
    mapping_path = source.path.with_suffix(".toml")
    mapping_path.write_text(GERMAN_MAPPING)

    with pytest.raises(Incomplete, match="does not begin with 'Summe'"):
        read_csv(source, load_mapping(mapping_path))


def test_our_own_column_names_need_no_mapping(source: StatementSource) -> None:
    text = "account_id,symbol,quantity,cash,equity,isin,as_of\nA,X,1,5,9,US1,2025-01-15\nA,X,2,5,9,US1,2025-01-15\n"

    (read_one,) = read(source, text)

    (held,) = read_one.positions or ()
    assert (held.quantity, held.asset_type, held.identifiers) == (3, AssetType.STOCK, {"isin": "US1"})
    assert (read_one.account.cash, read_one.account.total_equity) == (5, 9)
    assert read_one.as_of == datetime(2025, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(source: StatementSource, delimiter: str) -> None:
    text = "account_id,symbol,quantity\nA,X,1\n".replace(",", delimiter)

    assert len(read(source, text)) == 1


def test_the_newest_date_of_each_account_counts(source: StatementSource) -> None:
    text = "account_id,symbol,quantity,as_of\nA,X,1,20250114\nA,X,2,20250115\nB,Y,3,20250101\n"

    first, second = read(source, text)

    assert [row.quantity for row in first.positions or ()] == [2]
    assert second.account_id == "B"


def test_an_account_column_may_be_replaced_by_a_constant(source: StatementSource) -> None:
    mapping = mapped(columns={"symbol": "S", "quantity": "Q"}, constants={"account": "A", "currency": "USD"})

    (read_one,) = read(source, "S,Q\nX,1\n", mapping)

    assert read_one.account_id == "A"
    assert [row.currency for row in read_one.positions or ()] == ["USD"]


def test_rows_that_the_mapping_names_as_none_are_passed_over(source: StatementSource) -> None:
    mapping = mapped(ignore={"symbol": ["Total"]})

    (read_one,) = read(source, "account_id,symbol,quantity\nA,X,1\nA,Total,not a number\n", mapping)

    assert len(read_one.positions or ()) == 1


def test_a_row_with_only_balances_is_no_position(source: StatementSource) -> None:
    (read_one,) = read(source, "account_id,symbol,quantity,cash\nA,,,100\nA,X,1,\n")

    assert (read_one.account.cash, len(read_one.positions or ())) == (100, 1)


def test_a_quantity_without_a_symbol_is_an_error_and_not_passed_over(source: StatementSource) -> None:
    with pytest.raises(BadData, match="line 2: symbol is empty"):
        read(source, "account_id,symbol,quantity,cash\nA,,5,100\n")


def test_a_header_alone_is_no_answer_unless_the_mapping_says_so(source: StatementSource) -> None:
    mapping = mapped(file={"no_rows_mean_flat": True}, constants={"account": "A"})

    with pytest.raises(BadData, match="no row under the header"):
        read(source, "account_id,symbol,quantity\n")
    (read_one,) = read(source, "account_id,symbol,quantity\n", mapping)
    assert read_one.positions == ()


def test_a_last_line_without_an_end_is_read_with_a_warning(source: StatementSource) -> None:
    (read_one,) = read(source, "account_id,symbol,quantity\nA,X,1")

    assert [row.quantity for row in read_one.positions or ()] == [1]
    assert "no line end" in read_one.notes[0]


def test_quoted_cells_may_hold_delimiters_and_line_ends(source: StatementSource) -> None:
    (read_one,) = read(source, 'account_id,symbol,quantity\nA,"X, the\nfirst",1\nA,Y,2\n')

    assert [row.symbol for row in read_one.positions or ()] == ["X, the\nfirst", "Y"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("A,X,many,1\n", "line 2: quantity: 'many' is not a number"),
        ("A,X,nan,1\n", "line 2: quantity"),
        ("A,X,,1\n", "line 2: quantity is empty"),
        (",X,1,1\n", "line 2: account is empty"),
        ('A,X,"1,234",1\n', "file.thousands"),
        ("A,X,1,1\n\nA,Y,1\n", "line 4: 3 columns where the header has 4"),
        ("A,X,1,1,1\n", "line 2: 5 columns"),
        ("A,X,1,1\nA,Y,1,2\n", "line 3: cash is 2 here and 1 in an earlier row"),
        ('A,"X,1,1\n', "not CSV"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_error_with_its_line(source: StatementSource, rows: str, problem: str) -> None:
    with pytest.raises((BadData, Incomplete)) as raised:
        read(source, f"account_id,symbol,quantity,cash\n{rows}")

    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("account_id,symbol", "no 'quantity'"),
        ("account_id,symbol,quantity,quantity", "'quantity' 2 times"),
        ("   ", "no header"),
        ("account_id\rsymbol,quantity", "the header is not CSV"),
    ],
)
def test_a_header_that_cannot_serve_is_an_error(source: StatementSource, header: str, problem: str) -> None:
    with pytest.raises(BadData, match=problem):
        read(source, f"{header}\nA,X,1,1\n")


@pytest.mark.parametrize(
    ("cells", "problem"), [("X,-5,long", "contradict"), ("X,5,", "side is empty"), ("X,5,up", "neither long nor short")]
)
def test_a_side_that_does_not_fit_is_an_error(source: StatementSource, cells: str, problem: str) -> None:
    with pytest.raises(BadData, match=problem):
        read(source, f"account_id,symbol,quantity,side\nA,{cells}\n")


def test_an_unmapped_asset_type_is_an_error(source: StatementSource) -> None:
    with pytest.raises(BadData, match=r"asset_type 'Aktie' .* \[asset_types\]"):
        read(source, "account_id,symbol,quantity,asset_type\nA,X,1,Aktie\n")


@pytest.mark.parametrize(
    ("text", "number"),
    [("$1,234.50", "1234.5"), ("(5)", "-5"), ("5-", "-5"), ("\u22125", "-5"), ("1e2", "100"), ("'1,000", "1000")],
)
def test_numbers_are_read_as_back_offices_print_them(source: StatementSource, text: str, number: str) -> None:
    mapping = mapped(file={"thousands": ","})

    (read_one,) = read(source, f'account_id,symbol,quantity\nA,X,"{text}"\n', mapping)

    assert [row.quantity for row in read_one.positions or ()] == [Decimal(number)]


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [
        ("8.500", ",", ""),
        ("12.34", ",", "."),
        ("12.34", ",", ""),
        ("10 20", ".", ","),
        ("1'2", ".", ","),
        ("5$3", ".", ","),
        ("1 000", ",", "."),
        ("1.000", ",", " "),
        ("1,2,3", ",", "."),
    ],
)
def test_a_number_is_read_by_the_signs_of_the_mapping_alone(
    source: StatementSource, text: str, decimal: str, thousands: str
) -> None:
    mapping = mapped(file={"decimal": decimal, "thousands": thousands})

    with pytest.raises(BadData, match="is not a number written with"):
        read(source, f'account_id,symbol,quantity\nA,X,"{text}"\n', mapping)


@pytest.mark.parametrize(
    ("text", "file", "number"),
    [
        ("8.500", {"decimal": ",", "thousands": "."}, "8500"),
        ("1 234,5", {"decimal": ",", "thousands": " "}, "1234.5"),
        ("1\u202f234", {"thousands": " "}, "1234"),
        ("1'234.5", {"thousands": "'"}, "1234.5"),
        ("12,34,567.5", {"thousands": ",", "grouping": "indian"}, "1234567.5"),
        ("12,5 Stk.", {"decimal": ",", "units": ["Stk."]}, "12.5"),
        ("EUR 5", {"units": "EUR"}, "5"),
        ("-$1,500.00", {"thousands": ","}, "-1500"),
        ("$-5", {}, "-5"),
        (".5", {}, "0.5"),
    ],
)
def test_signs_and_units_that_the_mapping_names_are_read(
    source: StatementSource, text: str, file: dict[str, Any], number: str
) -> None:
    (read_one,) = read(source, f'account_id,symbol,quantity\nA,X,"{text}"\n', mapped(file=file))

    assert [row.quantity for row in read_one.positions or ()] == [Decimal(number)]


@pytest.mark.parametrize("text", ["1,23", "12,34.5", "(-5)", "1.2.3", "5%", "0x10", "-5-", "-$-5", "\u0665", "$"])
def test_what_is_no_number_in_the_files_style_is_not_guessed_at(source: StatementSource, text: str) -> None:
    with pytest.raises(BadData, match="quantity"):
        read(source, f'account_id,symbol,quantity\nA,X,"{text}"\n', mapped(file={"thousands": ","}))


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"colums": {}}, "'colums'"),
        ({"columns": {"smybol": "S"}}, "'smybol'"),
        ({"columns": {"symbol": 1}}, "columns.symbol must be a text"),
        ({"file": {"delimiter": "::"}}, "file.delimiter"),
        ({"file": {"skip_lines": "2"}}, "file.skip_lines"),
        ({"file": {"decimal": ",", "thousands": ","}}, "file.decimal"),
        ({"file": {"encoding": "klingon"}}, "file.encoding"),
        ({"file": {"encoding": "hex"}}, "file.encoding"),
        ({"asset_types": {"Aktie": "share"}}, "asset_types.Aktie"),
        ({"side": {"long": 1}}, "side.long"),
        ({"cash": {"symbols": ["C"], "column": "amount"}}, "cash.column"),
        ({"constants": {"quantity": "1"}}, "'quantity'"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_by_name(tables: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        mapping_from_table(tables)


@pytest.mark.parametrize("content", ["[file", None])
def test_a_mapping_file_that_cannot_be_read_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "m.toml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigurationError, match=r"m\.toml"):
        open_broker("csv", {"path": "s.csv", "mapping": str(path)})


async def test_a_mapping_may_stand_in_the_options(source: StatementSource) -> None:
    source.path.write_text("S,Q\nX,1\n")
    mapping = {"columns": {"symbol": "S", "quantity": "Q"}, "constants": {"account": "A"}}

    broker = open_broker("csv", {"path": str(source.path), "mapping": mapping})

    assert len(await broker.get_positions("A")) == 1


def test_a_column_that_the_mapping_names_must_be_there(source: StatementSource) -> None:
    mapping = mapped(columns={"account": "A", "symbol": "S", "quantity": "Q", "avg_cost": "C"})

    with pytest.raises(BadData, match="no 'C'"):
        read(source, "A,S,Q\nA,X,1\n", mapping)
