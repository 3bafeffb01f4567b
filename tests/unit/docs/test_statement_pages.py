"""The pages on files say what is so: their commands run, their options are all there, their mapping reads its file."""

import json
import re
import shlex
import tomllib
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.paper.paper import open_paper
from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, mapping_from_table
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.cli import cli
from reconciliation.ports.broker import BrokerQuery
from tests.support.places import ROOT

DOCS = ROOT / "docs"
EXAMPLE = ROOT / "examples" / "csv-export"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("block", blocks("compare.md", "console"))
def test_a_command_of_the_page_prints_what_the_page_shows(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command, _, shown = block.partition("\n")

    result = CliRunner().invoke(cli, shlex.split(command.removeprefix("$ reconcile ")))

    assert result.stdout == shown


@pytest.mark.parametrize("name", ["compare", "show"])
def test_every_option_is_on_the_page(name: str) -> None:
    page = (DOCS / "compare.md").read_text()
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in page, parameter.opts


def test_the_mapping_of_the_page_reads_its_example() -> None:
    (shown,) = [block for block in blocks("brokers/csv.md", "toml") if block.startswith("[file]")]
    assert (EXAMPLE / "mapping.toml").read_text() == shown

    (statement,) = read_csv(StatementSource(path=EXAMPLE / "positions.csv"), load_mapping(EXAMPLE / "mapping.toml"))

    assert {row.symbol: (row.quantity, row.avg_cost) for row in statement.positions or ()} == {
        "SAP": (2000, Decimal("184.3")),
        "VOW3": (-20, Decimal("99.5")),
        "ODAX 18DEC26 C 24000": (3, Decimal("310.5")),
    }
    assert statement.account.cash == 5000
    assert statement.notes == ()


def test_the_mapping_of_all_settings_on_the_page_is_accepted() -> None:
    (shown,) = [block for block in blocks("brokers/csv.md", "toml") if block.startswith("extends")]

    mapping = mapping_from_table(tomllib.loads(shown))

    assert mapping.title == "Charles Schwab"
    tables = set(tomllib.loads(shown))
    assert tables >= {"lines", "file_name", "accounts", "keep", "multipliers", "symbol", "cash", "equity", "factors"}


@pytest.mark.parametrize("page", ["flex", "ofx", "csv", "paper"])
def test_the_options_of_the_page_are_accepted_and_are_all(page: str) -> None:
    (settings,) = re.findall(r"RECONCILIATION_BROKER_OPTIONS=(.*)", (DOCS / "brokers" / f"{page}.md").read_text())
    options = json.loads(settings)
    options.pop("mapping", None)

    assert isinstance(open_broker(page, options), BrokerQuery)


async def test_the_paper_accounts_of_the_page_are_read() -> None:
    (accounts,) = blocks("brokers/paper.md", "json")

    broker = open_paper(json.loads(accounts), {})

    assert [row.quantity for row in await broker.get_positions("A-1")] == [100]


async def test_the_programs_of_the_pages_run() -> None:
    (paper,), (acme, *_) = blocks("brokers/paper.md", "python"), blocks("brokers/write-your-own.md", "python")
    names: dict[str, object] = {}
    exec(paper, names)  # noqa: S102 - our own page
    exec(acme, names)  # noqa: S102 - our own page

    opened = names["open_broker"]({"holdings": {"A": "2.5"}}, {})  # type: ignore[operator]

    assert isinstance(opened, BrokerQuery)
    assert [row.quantity for row in await opened.get_positions("A")] == [Decimal("2.5")]
