"""The table of statement formats: everything that lists formats reads it, and nothing is left out."""

import re
from importlib.metadata import entry_points

import click
import pytest

from reconciliation.adapters.brokers.host.registry import ENTRY_POINT_GROUP, open_broker
from reconciliation.adapters.brokers.statements.format import StatementFormat
from reconciliation.adapters.brokers.statements.formats import FORMAT_OPTIONS, FORMATS, sniff_format
from reconciliation.cli import cli
from reconciliation.errors import ConfigurationError
from tests.brokers.cases import Situation
from tests.brokers.format_cases import FORMAT_CASES
from tests.support.places import ROOT

every_format = pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS)


def test_every_format_has_a_case_that_all_suites_run() -> None:
    assert {case.name for case in FORMAT_CASES.values()} == set(FORMATS)


@pytest.mark.parametrize("case", FORMAT_CASES.values(), ids=FORMAT_CASES)
def test_a_file_is_recognized_by_its_own_row(source, case) -> None:
    source.path.write_text(case.text(Situation.ONE_POSITION.value))

    assert sniff_format(source).name == case.name


@every_format
def test_every_format_is_a_broker_by_its_entry_point(row: StatementFormat) -> None:
    (entry,) = entry_points(group=ENTRY_POINT_GROUP, name=row.name)

    assert entry.load() == row.open


@every_format
def test_every_format_has_a_page_and_a_row_in_the_index(row: StatementFormat) -> None:
    index = (ROOT / "docs" / "brokers" / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "brokers" / f"{row.name}.md").read_text(encoding="utf-8")

    assert re.search(rf"^\| \[{re.escape(row.title)}\]\({row.name}\.md\) \| `{row.name}` \|", index, re.MULTILINE)
    assert not [option.name for option in row.options if f"`{option.name}`" not in page]


@pytest.mark.parametrize("command", ["compare", "show"])
def test_the_command_line_takes_every_format_and_option(command: str) -> None:
    with click.Context(cli) as context:
        found = cli.get_command(context, command)
    assert found is not None
    choices = {parameter.name: parameter.type for parameter in found.params}

    assert isinstance(choices["format_name"], click.Choice)
    assert list(choices["format_name"].choices) == [*FORMATS]
    assert set(FORMAT_OPTIONS) <= set(choices)


def test_a_folder_takes_every_format_and_option(tmp_path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_broker("folder", {"path": str(tmp_path), "no_such_option": 1})
    known = set(re.findall(r"\w+", str(caught.value).partition("its options are: ")[2]))

    assert set(FORMAT_OPTIONS) <= known
    for name in FORMATS:
        open_broker("folder", {"path": str(tmp_path), "format": name})
