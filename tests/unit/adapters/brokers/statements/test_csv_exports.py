"""The exports of known brokers are read by the mappings that ship; the files are those of docs/brokers/exports.md."""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, shipped_names
from reconciliation.adapters.brokers.statements.csv.recognition import recognise
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import BadData, Incomplete
from tests.contract.samples import SAMPLES
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "brokers" / "exports.md").read_text(encoding="utf-8")
TITLES = dict(re.findall(r"^\| (\S.*?) \| `(\w+)` \|", PAGE, re.MULTILINE))
SECTIONS = re.findall(r"^## (.*?)\n.*?```csv\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = {TITLES[title]: text for title, text in SECTIONS}
NAMES = {"fidelity_year_end": "Statement12312024.csv"}
ENCODINGS = {"hargreaves_lansdown": "cp1252", "comdirect": "cp1252"}

Row = tuple[str, str, str | None, str]

#: account: (cash, equity, as_of, positions: symbol, quantity, cost per unit, kind)
EXPECTED: dict[str, dict[str, tuple[str | None, str | None, str | None, list[Row]]]] = {
    "schwab": {
        "Brokerage XXXX-1111": ("150", "150", "2024-11-15 23:04", []),
        "Joint XXXX-2222": (
            "2000",
            "5700",
            "2024-11-15 23:04",
            [("ABC", "100", "30", "stock"), ("XYZ250417P32.00", "-2", "1.25", "option")],
        ),
    },
    "fidelity": {
        "Z10000001": (
            "55.5",
            None,
            "2024-12-05 23:26",
            [("ABC", "10.5", "18", "stock"), ("ABC250117C150", "-1", "2.5", "option")],
        )
    },
    "fidelity_year_end": {"200000001": ("100", None, "2024-12-31 05:00", [("ABCDX", "50", "15", "stock")])},
    "vanguard": {"50000001": (None, None, None, [("ABC", "7", None, "stock"), ("SOME TRUST", "1.25", None, "stock")])},
    "etrade": {
        "Individual Brokerage -1111": (
            "101.25",
            "12500.25",
            "2025-12-30 14:47",
            [
                ("SOME BANK CD 3.85% 08/24/2026", "10000", "0.995", "bond"),
                ("ABC", "200", "11", "stock"),
                ("ABC 31Dec26 60 P", "1", "5", "option"),
            ],
        )
    },
    "degiro": {
        "A-1": (
            "960.35",
            None,
            None,
            [("US0000000001", "65", None, "stock"), ("IE0000000001", "233", None, "stock")],
        )
    },
    "hargreaves_lansdown": {
        "1000001 HL Stocks & Shares ISA": ("100", "10600", "2025-04-01 08:00", [("ABCD", "100", "90", "stock")])
    },
    "comdirect": {"A-1": (None, None, None, [("100001", "8500", "10", "stock"), ("100002", "12.5", "76", "fund")])},
    "ibkr_activity": {
        "U10000001": (
            "1000.25",
            None,
            "2025-07-25 04:00",
            [
                ("ABC", "154", "51.25", "stock"),
                ("ABC 24AUG26 70 P", "-1", "3.5", "option"),
                ("SOME 4 08/15/30", "10000", "0.985", "bond"),
            ],
        )
    },
    "ibkr_flex_csv": {
        "U1000001": (
            None,
            None,
            "2025-01-15 05:00",
            [("ABC", "100", "150.5", "stock"), ("ABC   250221C00180000", "-1", "5", "option")],
        )
    },
    "avanza": {
        "1000001": (None, None, None, [("ABC B", "14", "247.76", "stock")]),
        "1000002": (None, None, None, [("DEF", "1.5", "267.63", "stock")]),
    },
    "zerodha": {"A-1": (None, None, None, [("ABC", "105000", "2450.5", "stock"), ("DEF", "5", "3200", "stock")])},
    "jpmorgan": {
        "A-1": (
            "1228.9",
            None,
            "2025-07-11 04:00",
            [("ABC", "320", "625", "stock"), ("000000002", "10000", "0.99", "bond")],
        )
    },
}


def example(name: str, folder: Path, text: str | None = None) -> StatementSource:
    path = folder / NAMES.get(name, f"{name}.csv")
    path.write_text(EXAMPLES[name] if text is None else text, encoding=ENCODINGS.get(name, "utf-8"))
    return StatementSource(path=path)


def figures(statements: Sequence[Statement]) -> dict[str, object]:
    return {
        one.account_id: (
            one.account.cash,
            one.account.total_equity,
            f"{one.as_of:%Y-%m-%d %H:%M}" if one.as_of else None,
            [(row.symbol, row.quantity, row.avg_cost, row.asset_type.value) for row in one.positions or ()],
        )
        for one in statements
    }


def expected(name: str) -> dict[str, object]:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return {
        account: (
            number(cash),
            number(equity),
            as_of,
            [(symbol, Decimal(quantity), number(cost), kind) for symbol, quantity, cost, kind in rows],
        )
        for account, (cash, equity, as_of, rows) in EXPECTED[name].items()
    }


def test_every_mapping_that_ships_has_an_example_on_the_page() -> None:
    assert set(EXAMPLES) == set(EXPECTED) == set(TITLES.values()) == set(shipped_names())


@pytest.mark.parametrize("name", EXPECTED)
def test_an_export_is_read_by_the_mapping_that_ships(name: str, tmp_path: Path) -> None:
    statements = read_csv(example(name, tmp_path), load_mapping(name), default_account="A-1")

    assert figures(statements) == expected(name)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_export_is_known_by_its_header(name: str, tmp_path: Path) -> None:
    found = recognise(example(name, tmp_path))

    assert found.title
    assert found.title == load_mapping(name).title


@pytest.mark.parametrize("name", ["schwab", "etrade", "hargreaves_lansdown", "fidelity"])
def test_an_export_without_its_last_lines_is_cut_off(name: str, tmp_path: Path) -> None:
    lines = EXAMPLES[name].splitlines(keepends=True)
    end = next(
        index
        for index, line in reversed(list(enumerate(lines)))
        if line.lstrip('"').startswith(("Account Total", "TOTAL", ',"Totals', "Date downloaded"))
    )

    with pytest.raises(Incomplete, match="cut off"):
        read_csv(example(name, tmp_path, "".join(lines[:end])), load_mapping(name))


@pytest.mark.parametrize("name", ["degiro", "comdirect", "zerodha", "jpmorgan"])
def test_a_file_that_does_not_name_its_account_asks_whose_it_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="does not name its account"):
        read_csv(example(name, tmp_path))


@pytest.mark.parametrize(
    ("header", "whose"),
    [
        ("Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Total", "Trading 212"),
        ("Date,Ticker,Type,Quantity,Price per share,Total Amount,Currency,FX Rate", "Revolut"),
        ("Timestamp,Transaction Type,Asset,Quantity Transacted,Spot Price Currency", "Coinbase"),
    ],
)
def test_a_list_of_transactions_is_refused_with_a_sentence(source: StatementSource, header: str, whose: str) -> None:
    source.path.write_text(f"{header}\n1,2,3,4,5,6,7,8\n")

    with pytest.raises(BadData, match=f"lists transactions \\({whose}\\)"):
        read_csv(source)


@pytest.mark.parametrize("name", sorted(path.name for path in (SAMPLES / "csv_exports").glob("*.csv")) or ["none"])
def test_the_recorded_exports_are_read_to_the_last_figure(name: str) -> None:
    path = SAMPLES / "csv_exports" / name
    if not path.is_file():
        pytest.skip("no recorded exports: set BROKER_SAMPLES to their folder")

    statements = read_csv(StatementSource(path=path), default_account="A-1")

    quantities = {row.symbol: row.quantity for one in statements for row in one.positions or ()}
    assert quantities == {symbol: Decimal(text) for symbol, text in RECORDED[name].items()}


RECORDED = {
    "degiro_portfolio_fr.csv": {
        "US0231351067": "65",
        "IE00B5BMR087": "233",
        "US5949181045": "15",
        "IE00B4L5Y983": "460",
        "IE00B3F81409": "5",
        "DE000A0F5UH1": "20",
        "IE00BYZK4552": "305",
        "DE0006289473": "156",
        "US92826C8394": "3",
        "US4781601046": "8",
        "CH0012032048": "16",
        "US1912161007": "34",
        "US7427181091": "16",
        "CH0012005267": "4",
        "LU0292096186": "118",
        "US09857L1089": "28",
        "FR0000121014": "19",
        "CH0024608827": "15",
        "DE000A1E0HR8": "7",
        "IE00BP3QZ825": "30",
        "CH0032912732": "20",
    },
    "etrade_portfolio.csv": {
        "KEY BANK CD CLEVELAND OH CD 3.85% 08/24/2026": "110000",
        "LCTX": "965",
        "QQQ 31Dec26 600 P": "1",
        "VMFXX": "50000",
    },
    "fidelity_positions.csv": {"SCHD": "565.896", "VYM": "339.155", "AAPL240119C150": "-1"},
    "hl_account_summary.csv": {"VUAG": "100"},
    "ibkr_activity.csv": {"ENB": "154"},
    "ibkr_flex_as_csv.csv": {"AAPL": "100", "AAPL  250221C00180000": "-1"},
    "schwab_all_accounts.csv": {"FNDA": "100", "SCHA": "100", "SMAL200401P32.00": "1"},
    "schwab_one_account.csv": {"SCHA": "110"},
    "vanguard_ofxdownload.csv": {"QQQ": "7", "VMFXX": "1.25"},
    "zerodha_holdings.csv": {"RELIANCE": "15", "TCS": "5", "GOLDBEES": "1063"},
}
