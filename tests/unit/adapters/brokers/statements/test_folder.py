import asyncio
import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.statements.folder.adapter import FolderBroker
from reconciliation.adapters.brokers.statements.folder.files import FolderWatch
from reconciliation.adapters.brokers.statements.folder.index import FolderIndex
from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import BadData, ConfigurationError, Incomplete, ReadError, Unavailable
from tests.support.places import TESTS

FIXTURES = TESTS / "fixtures"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HEADER = "account_id,symbol,quantity,asset_type,cash,as_of\n"


class Folder:
    """A folder with a clock of its own, and a count of the files that were read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOON
        self.clock = 0.0
        self.read: list[str] = []

    def write(self, name: str, text: str, age_seconds: float = 3600) -> Path:
        path = self.path / name
        path.write_text(text, encoding="utf-8")
        os.utime(path, (self.now - age_seconds,) * 2)
        return path

    def csv(self, name: str, quantity: int, *, account: str = "A", day: str = "20261119", age_seconds: float = 3600):
        return self.write(name, f"{HEADER}{account},AAPL,{quantity},stock,5,{day}\n", age_seconds)

    def broker(self, *, pattern: str = "*", max_files: int = 10, max_age_hours: float | None = None) -> FolderBroker:
        def read(source):
            self.read.append(source.path.name)
            return read_statements(source)

        watch = FolderWatch(
            self.path,
            pattern=pattern,
            settle_seconds=5,
            max_files=max_files,
            now=lambda: self.now,
            clock=lambda: self.clock,
        )
        return FolderBroker(FolderIndex(watch, read, 1), max_age_hours=max_age_hours, now=lambda: self.now)


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


def quantity(broker: FolderBroker, account: str = "A") -> Decimal:
    (position,) = asyncio.run(broker.get_positions(account))
    return position.quantity


def failure(broker: FolderBroker, account: str = "A") -> ReadError:
    with pytest.raises(ReadError) as caught:
        asyncio.run(broker.get_positions(account))
    return caught.value


def test_the_newest_statement_of_each_account_answers(folder):
    folder.csv("a18.csv", 1, day="20261118")
    folder.csv("a19.csv", 2, day="20261119")
    folder.csv("b18.csv", 3, account="B", day="20261118")
    broker = folder.broker()
    assert (quantity(broker), quantity(broker, "B")) == (2, 3)


def test_the_newest_is_decided_by_the_data_and_not_by_the_time_of_the_file(folder):
    folder.csv("late.csv", 1, day="20261118", age_seconds=60)
    folder.csv("early.csv", 2, day="20261119", age_seconds=7200)
    assert quantity(folder.broker()) == 2


def test_of_two_files_of_one_day_the_later_written_counts(folder):
    folder.csv("first.csv", 1, age_seconds=7200)
    folder.csv("corrected.csv", 2, age_seconds=60)
    assert quantity(folder.broker()) == 2


def test_files_of_different_formats_lie_in_one_folder(folder):
    for name in ["mt535/two_pages.fin", "semt002/one_page.xml"]:
        shutil.copy(FIXTURES / name, folder.path)
    folder.csv("a.csv", 7)
    broker = folder.broker()
    folder.clock += 5
    answers = asyncio.run(broker.get_snapshots(["C-1001", "C-2002", "A", "NOBODY"]))
    folder.clock += 5
    answers = asyncio.run(broker.get_snapshots(["C-1001", "C-2002", "A", "NOBODY"]))
    assert [len(answers[name].positions) for name in ("C-1001", "C-2002", "A")] == [4, 2, 1]
    assert isinstance(answers["NOBODY"], Incomplete)


def test_a_file_that_was_just_written_is_left_alone(folder):
    folder.csv("old.csv", 1, day="20261118")
    broker = folder.broker()
    folder.csv("new.csv", 2, age_seconds=4)
    assert quantity(broker) == 1
    folder.now += 1
    assert quantity(broker) == 2


def test_a_file_that_grows_is_left_alone_until_it_stands_still(folder):
    path = folder.csv("a.csv", 1, age_seconds=0)
    broker = folder.broker()
    for _ in range(3):
        folder.now += 4
        with path.open("a") as file:
            file.write("A,MSFT,1,stock,5,20261119\n")
        os.utime(path, (folder.now,) * 2)
        assert "being written" in str(failure(broker))
    folder.now += 5
    assert len(asyncio.run(broker.get_positions("A"))) == 2


def test_a_file_from_a_host_whose_clock_is_ahead_is_read_once_it_stood_still_for_us(folder):
    folder.csv("a.csv", 1, age_seconds=-3600)
    broker = folder.broker()
    assert isinstance(failure(broker), Incomplete)
    folder.clock += 5
    assert quantity(broker) == 1


@pytest.mark.parametrize("name", [".a.csv", "a.csv.part", "a.csv.tmp", "a.CSV.filepart", "~a.csv", "a.csv~"])
def test_a_temporary_name_is_left_alone(folder, name):
    folder.csv(name, 1)
    assert isinstance(failure(folder.broker()), Incomplete)
    assert folder.read == []


def test_a_file_that_ends_too_early_is_left_alone_and_named(folder):
    whole = (FIXTURES / "mt535" / "two_pages.fin").read_text(encoding="utf-8")
    folder.write("cut.fin", whole[:-200])
    broker = folder.broker()
    assert "cut.fin" in str(failure(broker, "C-1001"))
    folder.write("old.fin", whole.replace("STAT//20261119", "STAT//20261118"), age_seconds=7200)
    assert asyncio.run(broker.get_snapshots(["C-1001"]))["C-1001"].as_of.day == 18
    folder.write("cut.fin", whole, age_seconds=60)
    assert asyncio.run(broker.get_snapshots(["C-1001"]))["C-1001"].as_of.day == 19


def test_a_newer_file_that_cannot_be_understood_casts_doubt_on_older_statements_only(folder):
    folder.csv("a.csv", 1, age_seconds=7200)
    folder.csv("b.csv", 2, account="B", age_seconds=60)
    folder.write("broken.csv", "account_id,symbol,quantity\nA,AAPL,many\n", age_seconds=3600)
    broker = folder.broker()
    error = failure(broker)
    assert isinstance(error, BadData)
    assert "broken.csv: line 2" in str(error)
    assert quantity(broker, "B") == 2


def test_a_pattern_keeps_other_files_out(folder):
    folder.csv("a.csv", 1)
    folder.write("README.txt", "not a statement")
    (folder.path / "archive.csv").mkdir()
    assert quantity(folder.broker(pattern="*.csv")) == 1


def test_a_file_is_read_once_for_each_version(folder):
    folder.csv("a.csv", 1)
    broker = folder.broker()
    for _ in range(3):
        quantity(broker)
    assert folder.read == ["a.csv"]
    folder.csv("a.csv", 9, age_seconds=60)
    assert quantity(broker) == 9
    assert folder.read == ["a.csv"] * 2


def test_what_is_being_written_over_answers_as_it_was(folder):
    folder.csv("a.csv", 1)
    broker = folder.broker()
    assert quantity(broker) == 1
    folder.write("a.csv", HEADER[:10], age_seconds=0)
    assert quantity(broker) == 1
    folder.csv("a.csv", 2, age_seconds=6)
    assert quantity(broker) == 2


def test_when_the_newest_file_goes_the_next_newest_answers_again(folder):
    folder.csv("a18.csv", 1, day="20261118")
    newest = folder.csv("a19.csv", 2, day="20261119")
    broker = folder.broker()
    assert quantity(broker) == 2
    newest.unlink()
    assert quantity(broker) == 1


def test_only_the_newest_files_are_looked_at(folder):
    for number in range(6):
        folder.csv(f"{number}.csv", number, day=f"2026111{number}", age_seconds=3600 * (10 - number))
    assert quantity(folder.broker(max_files=2)) == 5
    assert sorted(folder.read) == ["4.csv", "5.csv"]


def test_a_stale_statement_is_incomplete(folder):
    folder.csv("a.csv", 1, day="20261119")
    assert quantity(folder.broker(max_age_hours=36)) == 1
    error = failure(folder.broker(max_age_hours=35))
    assert isinstance(error, Incomplete)
    assert "2026-11-19" in str(error)


def test_a_statement_without_positions_gives_way_to_an_older_one_that_has_them(folder):
    flex = '<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1"><FlexStatement accountId="A" {} />'
    closing = "</FlexStatements></FlexQueryResponse>"
    dates = 'fromDate="20261119" toDate="20261119" whenGenerated="20261119;120000"'
    folder.write("cash_only.xml", flex.format(dates) + closing)
    broker = folder.broker()
    assert "OpenPositions" in str(failure(broker))
    folder.csv("full.csv", 1, day="20261118")
    assert quantity(broker) == 1


def test_a_folder_that_is_not_there_is_unavailable(folder):
    folder.path = folder.path / "missing"
    assert isinstance(failure(folder.broker()), Unavailable)


def test_an_empty_folder_is_incomplete_and_never_flat(folder):
    assert isinstance(failure(folder.broker()), Incomplete)


async def test_it_is_a_broker_by_its_name_with_every_option(folder):
    shutil.copy(FIXTURES / "mt535" / "two_pages.fin", folder.path)
    (folder.path / "positions.txt").write_text("Acct;Sym;Qty\nA;AAPL;1\n", encoding="utf-8")
    common = {"path": str(folder.path), "settle_seconds": 0, "max_files": 5, "max_file_megabytes": 1}
    custody = open_broker("folder", {**common, "pattern": "*.fin", "format": "mt535", "basis": "SETT"})
    assert len(await custody.get_positions("C-1001")) == 4
    stale = open_broker("folder", {**common, "pattern": "*.fin", "max_age_hours": 0})
    with pytest.raises(Incomplete, match="hours ago"):
        await stale.get_account("C-1001")
    mapping = {
        "columns": {"account": "Acct", "symbol": "Sym", "quantity": "Qty"},
        "constants": {"asset_type": "stock"},
    }
    mapped = open_broker("folder", {**common, "pattern": "*.txt", "format": "csv", "mapping": mapping})
    answer = (await mapped.get_snapshots(["A"]))["A"]
    assert isinstance(answer, BrokerSnapshot)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "'path'"),
        ({"path": "x", "format": "pdf"}, "'format'"),
        ({"path": "x", "max_files": 0}, "'max_files'"),
        ({"path": "x", "max_age_hours": "old"}, "'max_age_hours'"),
        ({"path": "x", "mapping": 3}, "'mapping'"),
        ({"path": "x", "globb": "*"}, "'globb'"),
    ],
)
def test_options_that_cannot_work_are_named(options, told):
    with pytest.raises(ConfigurationError, match=told):
        open_broker("folder", options)
