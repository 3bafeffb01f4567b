"""What a mapping can say of a file that is no plain table, from the smallest example of each."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, mapping_from_table
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import BadData, ConfigurationError, Incomplete

COLUMNS = {"symbol": "S", "quantity": "Q"}
ACCOUNT = {"account": "A"}


def read(source: StatementSource, text: str, **tables: Any) -> Statement:
    source.path.write_text(text)
    tables = {"columns": COLUMNS, "constants": ACCOUNT, **tables}
    (statement,) = read_csv(source, mapping_from_table(tables))
    return statement


def held(statement: Statement) -> list[tuple[str, Decimal]]:
    return [(row.symbol, row.quantity) for row in statement.positions or ()]


def test_empty_cells_behind_the_last_column_are_no_column(source: StatementSource) -> None:
    assert held(read(source, "S,Q,\nX,1,,,\nY,2\n")) == [("X", 1), ("Y", 2)]


def test_a_figure_behind_the_last_column_is_not_passed_over(source: StatementSource) -> None:
    with pytest.raises(BadData, match="line 2: 4 columns where the header has 2"):
        read(source, "S,Q\nX,1,,9\n")


def test_lines_that_are_no_rows_may_have_any_width(source: StatementSource) -> None:
    text = "S,Q\nStocks\nX,1\nSubtotal,,,5\n"

    assert held(read(source, text, file={"ignore_lines": "^(Stocks$|Subtotal)"})) == [("X", 1)]


@pytest.mark.parametrize(
    "choice", [{"keep": {"Level": ["SUM"]}}, {"ignore": {"Level": ["LOT"]}}, {"keep": {"#3": "SUM"}}]
)
def test_rows_are_kept_and_ignored_by_any_column(source: StatementSource, choice: dict[str, Any]) -> None:
    assert held(read(source, "S,Q,Level\nX,1,SUM\nX,1,LOT\n", **choice)) == [("X", 1)]


def test_a_column_to_keep_by_must_be_there(source: StatementSource) -> None:
    with pytest.raises(BadData, match="the header has no 'Level'"):
        read(source, "S,Q\nX,1\n", keep={"Level": ["SUM"]})


def test_the_header_is_found_by_its_text_and_the_table_by_its_end(source: StatementSource) -> None:
    text = "My positions\n\nS,Q\nX,1\nTotal,1\nsomething else,entirely,5\n"

    statement = read(source, text, file={"find_header": True, "table_ends_at": "^Total"})

    assert held(statement) == [("X", 1)]


def test_a_table_that_does_not_end_as_it_should_is_cut_off(source: StatementSource) -> None:
    with pytest.raises(Incomplete, match="the last table has no end"):
        read(source, "S,Q\nX,1\n", file={"find_header": True, "table_ends_at": "^Total"})


def test_a_file_without_such_a_header_says_which_was_looked_for(source: StatementSource) -> None:
    with pytest.raises(BadData, match="has no header with the columns 'S', 'Q'"):
        read(source, "A,B\nX,1\n", file={"find_header": True})


def test_account_date_and_balances_are_found_in_lines_above(source: StatementSource) -> None:
    text = 'Account:,A-1,\nAs of 01/31/2025 06:30 PM\nCash,"1,000.50"\nNet,2000\nS,Q\nX,1\n'
    lines = {
        "account": r"^Account: \| (.+)$",
        "as_of": "^As of (.+)$",
        "cash": r"^Cash \| (.+)$",
        "equity": r"^Net \| (.+)$",
    }
    layout = {
        "find_header": True,
        "thousands": ",",
        "date_formats": ["%m/%d/%Y %I:%M %p"],
        "zone": "America/New_York",
    }

    statement = read(source, text, file=layout, lines=lines, constants={"currency": "USD"})

    assert statement.account_id == "A-1"
    assert statement.as_of == datetime(2025, 1, 31, 23, 30, tzinfo=UTC)
    assert (statement.account.cash, statement.account.total_equity) == (Decimal("1000.5"), 2000)
    assert statement.account.currency == "USD"


def test_each_section_has_the_account_of_the_line_above_it(source: StatementSource) -> None:
    source.path.write_text("Account A\nS,Q\nX,1\n\nAccount B\nQ,S\n2,Y\n")
    mapping = mapping_from_table(
        {
            "columns": COLUMNS,
            "file": {"find_header": True},
            "lines": {"account": "^Account (.+)"},
            "accounts": {"B": "C"},
        }
    )

    first, second = read_csv(source, mapping)

    assert (first.account_id, held(first)) == ("A", [("X", 1)])
    assert (second.account_id, held(second)) == ("C", [("Y", 2)])


def test_cash_by_currency_is_found_in_lines(source: StatementSource) -> None:
    text = "Cash EUR 5\nCash USD 7\nS,Q\nX,1\n"

    statement = read(
        source, text, file={"find_header": True}, lines={"cash": r"^Cash (?P<currency>\w+) (?P<value>\d+)"}
    )

    assert statement.account.cash_by_currency == {"EUR": 5, "USD": 7}
    assert statement.account.cash is None


def test_account_and_date_are_found_in_the_files_name(tmp_path: Path) -> None:
    source = StatementSource(path=tmp_path / "A-7_20250131.csv")
    tables = {"constants": {}, "file_name": {"account": "^(.+)_", "as_of": r"_(\d+)"}}

    statement = read(source, "S,Q\nX,1\n", **tables)

    assert (statement.account_id, statement.as_of) == ("A-7", datetime(2025, 1, 31, tzinfo=UTC))
    with pytest.raises(BadData, match="its name does not name its account"):
        read(StatementSource(path=tmp_path / "other.csv"), "S,Q\nX,1\n", **tables)


def test_columns_may_have_several_names_or_none(source: StatementSource) -> None:
    columns = {"symbol": ["Ticker", "S"], "quantity": "#3"}

    assert held(read(source, "S,,\nX,,5\n", columns=columns)) == [("X", 5)]


def test_a_column_may_be_missing_where_the_mapping_says_so(source: StatementSource) -> None:
    assert held(read(source, "S,Q\nX,1\n", optional_columns={"avg_cost": "Cost"})) == [("X", 1)]


@pytest.mark.parametrize(
    ("quantity", "total", "cost"), [("4", "100", "25"), ("-4", "-100", "25"), ("-4", "100", "25"), ("4", "-100", "-25")]
)
def test_a_cost_in_total_is_divided_by_what_is_held(
    source: StatementSource, quantity: str, total: str, cost: str
) -> None:
    columns = {**COLUMNS, "total_cost": "T"}

    statement = read(source, f"S,Q,T\nX,{quantity},{total}\n", columns=columns)

    assert [row.avg_cost for row in statement.positions or ()] == [Decimal(cost)]


def test_a_cost_in_total_of_options_is_divided_by_the_multiplier_too(source: StatementSource) -> None:
    (row,) = (
        read(
            source,
            "S,Q,T\nABC 260116 C,2,500\n",
            columns={**COLUMNS, "total_cost": "T"},
            asset_type_patterns={"option": " [CP]$"},
            multipliers={"option": 100},
        ).positions
        or ()
    )

    assert (row.asset_type, row.avg_cost, row.multiplier) == (AssetType.OPTION, Decimal("2.5"), 100)


def test_factors_make_pounds_of_pence_and_money_of_percent(source: StatementSource) -> None:
    columns = {**COLUMNS, "avg_cost": "C", "currency": "W", "asset_type": "K"}
    factors = [
        {"columns": "avg_cost", "by": "0.01", "currencies": "GBX", "currency": "GBP"},
        {"columns": "avg_cost", "by": "0.01", "asset_types": "bond"},
    ]

    statement = read(source, "S,Q,C,W,K\nX,1,250,GBX,stock\nY,1,99,EUR,bond\n", columns=columns, factors=factors)

    assert [(row.avg_cost, row.currency) for row in statement.positions or ()] == [
        (Decimal("2.5"), "GBP"),
        (Decimal("0.99"), "EUR"),
    ]


def test_symbols_are_cleaned_and_have_a_fallback(source: StatementSource) -> None:
    tables = {
        "columns": {**COLUMNS, "isin": "I"},
        "symbol": {"replace": [[r"\*+$", ""], [r"^(\w+):xams$", r"\1"]], "fallback": ["isin"]},
    }

    statement = read(source, "S,Q,I\nABC**,1,\nDEF:xams,2,\n,3,US1\n", **tables)

    assert held(statement) == [("ABC", 1), ("DEF", 2), ("US1", 3)]


def test_cash_rows_are_known_by_a_pattern_in_any_column(source: StatementSource) -> None:
    tables = {
        "columns": {**COLUMNS, "market_value": "V"},
        "cash": {"found_in": "Class", "pattern": "^Cash", "column": "market_value"},
    }

    statement = read(source, "S,Q,V,Class\n,,50,Cash & more\nX,1,2,Stock\n", **tables)

    assert (statement.account.cash, held(statement)) == (50, [("X", 1)])


def test_a_mapping_may_begin_with_one_that_ships(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('extends = "schwab"\n[accounts]\n"X 1" = "A"\n[asset_types]\n"Closed Fund" = "fund"\n')

    mapping = load_mapping(path)

    assert mapping.title == "Charles Schwab"
    assert mapping.accounts == {"X 1": "A"}
    assert (mapping.asset_types["closed fund"], mapping.asset_types["equity"]) == (AssetType.FUND, AssetType.STOCK)


async def test_a_mapping_that_ships_is_an_option_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "kite.csv"
    path.write_text("Instrument,Qty.,Avg. cost,LTP,Cur. val\nABC-EQ,5,1,1,5\n")

    broker = open_broker("csv", {"path": str(path), "mapping": "zerodha", "default_account": "A-1"})

    assert [row.symbol for row in await broker.get_positions("A-1")] == ["ABC"]


def test_the_name_of_an_unknown_mapping_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"neither a file nor a mapping that ships: .*schwab"):
        load_mapping("schwaab")


def test_a_header_of_two_exports_asks_which_it_is(source: StatementSource) -> None:
    source.path.write_text(
        "Instrument,Qty.,Avg. cost,Cur. val,Account Number,Symbol,Shares,Total Value\nABC,5,1,5,A,ABC,5,5\n"
    )

    with pytest.raises(BadData, match="looks like an export of vanguard and of zerodha: say which"):
        read_csv(source)


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"lines": {"account": "^Account"}}, "with a group"),
        ({"lines": {"account": "("}}, "a regular expression"),
        ({"lines": {"symbol": "(x)"}}, "'symbol'"),
        ({"file": {"grouping": "tens"}}, "file.grouping"),
        ({"file": {"thousands": ",,"}}, "file.thousands"),
        ({"file": {"zone": "Atlantis"}}, "file.zone"),
        ({"file": {"table_ends_at": "^Total"}}, "file.find_header"),
        ({"file": {"date_formats": [1]}}, "file.date_formats"),
        ({"factors": {"by": 2}}, "a list of tables"),
        ({"factors": [{"columns": ["avg_cost"], "by": 0.01}]}, "factors.by"),
        ({"factors": [{"columns": ["symbol"], "by": 2}]}, "factors.columns"),
        ({"symbol": {"replace": [["a"]]}}, "symbol.replace"),
        ({"symbol": {"replace": [["a", r"\9"]]}}, "symbol.replace"),
        ({"multipliers": {"option": -1}}, "multipliers.option"),
        ({"multipliers": {"share": 1}}, "multipliers.share"),
        ({"equity": {"symbols": "T", "column": "total"}}, "equity.column"),
        ({"cash": {"pattern": 1}}, "cash.pattern"),
        ({"extends": "nobody"}, "neither a file nor a mapping that ships"),
        ({"extends": 1}, "extends must be a text"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_by_name(tables: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        mapping_from_table(tables)


def test_mappings_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'extends = "{path}"\n')

    with pytest.raises(ConfigurationError, match="is it a circle"):
        load_mapping(path)
