"""The pages about the local book say what is true: their blocks are read by the code that they speak of."""

import re
import tomllib
from pathlib import Path

import pytest

from reconciliation.adapters.books.csv import read_book
from reconciliation.adapters.books.user_tables.options import (
    BALANCE_NAMES,
    POSITION_NAMES,
    Source,
    UserTables,
    parse_options,
)
from reconciliation.cli import SECTIONS
from reconciliation.domain.model.instruments import common_form
from reconciliation.domain.model.models import AssetType
from tests.support.places import ROOT

DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", blocks("your-own-tables.md", "toml"))
def test_every_shape_of_the_page_is_a_configuration_that_works(block: str) -> None:
    options = tomllib.loads(block)
    assert parse_options("query" if "query" in options["positions"] else "table", options)


def test_the_page_names_every_option_and_every_name() -> None:
    page = (DOCS / "your-own-tables.md").read_text(encoding="utf-8")
    options = {*Source.model_fields, *UserTables.model_fields, *POSITION_NAMES, *BALANCE_NAMES}
    assert [name for name in sorted(options) if f"`{name}`" not in page] == []
    assert len(blocks("your-own-tables.md", "toml")) == 4


def test_the_csv_files_of_the_page_are_a_book(tmp_path: Path) -> None:
    positions, balances = tmp_path / "positions.csv", tmp_path / "balances.csv"
    positions.write_text(blocks("local-book.md", "csv")[0])
    balances.write_text(blocks("local-book.md", "csv")[1])
    book = read_book(positions, balances)
    assert {account: len(snapshot.positions) for account, snapshot in book.items()} == {
        "ACC-1": 2,
        "ACC-2": 1,
        "ACC-3": 0,
    }


def test_the_page_names_every_asset_type() -> None:
    page = (DOCS / "local-book.md").read_text(encoding="utf-8")
    assert [kind for kind in AssetType if not re.search(rf"\b{kind.value}\b", page)] == []


@pytest.mark.parametrize(
    ("kind", "written", "others"),
    [
        (AssetType.STOCK, "BRK.B", ["BRK B", "BRK/B", "BRK-B"]),
        (
            AssetType.OPTION,
            "AAPL  260116C00200000",
            ["AAPL260116C00200000", "O:AAPL260116C00200000", ".AAPL260116C200", "AAPL 16JAN26 200 C"],
        ),
        (AssetType.CRYPTO, "BTC/USD", ["BTCUSD", "BTC-USD", "XXBTZUSD", "XBT/USD"]),
    ],
)
def test_the_forms_of_the_page_are_one(kind: AssetType, written: str, others: list[str]) -> None:
    page = (DOCS / "symbols.md").read_text(encoding="utf-8")
    for other in others:
        assert f"`{other}`" in page
        assert common_form(other, kind) == common_form(written, kind)


def test_the_commands_of_the_pages_exist() -> None:
    known = {name for names in SECTIONS.values() for name in names}
    for page in ("local-book.md", "symbols.md", "your-own-tables.md"):
        named = set(re.findall(r"reconcile ([a-z][a-z-]+)", (DOCS / page).read_text(encoding="utf-8")))
        assert named <= known, page
