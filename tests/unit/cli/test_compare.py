import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciliation.cli import cli
from reconciliation.domain.model.models import DiscrepancyType
from tests.brokers.cases import Book, Situation, held
from tests.brokers.statement_cases import FlexCase, OfxSgmlCase
from tests.support.places import ROOT

DEMO = ROOT / "examples" / "demo"
HEADER = "account_id,symbol,asset_type,quantity,avg_cost\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "positions.csv").write_text(HEADER + "ACC-1,AAPL,stock,100,150.25\n")
    (tmp_path / "balances.csv").write_text("account_id,cash,equity\nACC-1,1234.56,98765.43\n")
    (tmp_path / "statement.xml").write_text(FlexCase().text(Situation.ONE_POSITION.value))
    return tmp_path


def compare(folder: Path, *options: str, statement: str = "statement.xml", balances: bool = True) -> Result:
    arguments = ["compare", "--local", str(folder / "positions.csv"), "--broker", str(folder / statement), *options]
    if balances:
        arguments += ["--balances", str(folder / "balances.csv")]
    return CliRunner().invoke(cli, arguments)


def kinds(result: Result) -> list[str]:
    return [found["type"] for found in json.loads(result.stdout)["discrepancies"]]


def test_equal_books_are_clean_and_exit_with_0(files: Path) -> None:
    result = compare(files)

    assert result.exit_code == 0, result.output
    assert "clean: 1 position checked" in result.stdout


def test_the_demo_shows_each_of_the_six_kinds_once_and_exits_with_1() -> None:
    result = compare(DEMO, "--json")

    assert result.exit_code == 1
    assert sorted(kinds(result)) == sorted(kind.value for kind in DiscrepancyType)
    assert compare(DEMO).stdout.count("mismatch") == 4


def test_json_is_one_object_shaped_as_the_channels_messages(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "ACC-1,AAPL,stock,99,150.25\n")

    result = compare(files, "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert set(answer) == {"result", "discrepancies"}
    assert answer["result"]["account_id"] == "ACC-1"
    assert answer["result"]["outcome"] == "discrepancies"
    assert answer["result"]["discrepancy_count"] == 1
    (found,) = answer["discrepancies"]
    assert found["run_id"] == answer["result"]["run_id"]
    assert (found["type"], found["severity"], found["symbol"]) == ("quantity_mismatch", "critical", "AAPL")
    assert (found["local_value"], found["broker_value"]) == ("99", "100")


def test_without_balances_cash_and_equity_are_said_to_be_not_compared(files: Path) -> None:
    result = compare(files, balances=False)

    assert result.exit_code == 0
    assert "Not compared: cash, equity." in result.stdout


def test_an_equity_that_ofx_does_not_say_is_not_compared_and_not_zero(files: Path) -> None:
    (files / "statement.ofx").write_text(OfxSgmlCase().text(Situation.ONE_POSITION.value))

    result = compare(files, "--json", statement="statement.ofx")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["result"]["not_compared"] == ["equity", "cost AAPL"]


@pytest.mark.parametrize(
    ("options", "status"),
    [(["--cash-tolerance", "0.44"], 0), (["--cash-tolerance", "0.43"], 1), (["--cash-tolerance", "0"], 1)],
)
def test_the_cash_tolerance_is_inclusive(files: Path, options: Sequence[str], status: int) -> None:
    (files / "balances.csv").write_text("account_id,cash,equity\nACC-1,1235.00,\n")

    assert compare(files, *options).exit_code == status


@pytest.mark.parametrize("options", [["--cash-tolerance", "NaN"], ["--cash-tolerance", "-1"], ["--format", "pdf"]])
def test_wrong_usage_exits_with_2(files: Path, options: Sequence[str]) -> None:
    assert compare(files, *options).exit_code == 2


def test_files_that_are_not_there_are_wrong_usage(files: Path) -> None:
    assert compare(files, statement="nowhere.xml").exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04\0\0\0", "no XLSX file"),
        (b"<html></html>", "of none of the formats Flex, OFX"),
        (b"a,b\n1,2\n", "no 'account_id'"),
    ],
)
def test_a_statement_that_cannot_be_read_is_bad_input(files: Path, content: bytes, message: str) -> None:
    (files / "statement.xml").write_bytes(content)

    result = compare(files)

    assert result.exit_code == 2
    assert message in result.stderr
    assert "statement.xml" in result.stderr


def test_a_statement_that_is_cut_off_is_incomplete(files: Path) -> None:
    path = files / "statement.xml"
    path.write_text(path.read_text()[:500])

    result = compare(files)

    assert result.exit_code == 3
    assert "cut off" in result.stderr
    assert "missing" not in result.output


def test_a_statement_without_a_position_list_is_incomplete_and_never_flat(files: Path) -> None:
    text = OfxSgmlCase().text(Situation.FLAT.value).replace("<INVPOSLIST>\n</INVPOSLIST>\n", "")
    (files / "statement.ofx").write_text(text)

    result = compare(files, "--json", statement="statement.ofx")

    answer = json.loads(result.stdout)
    assert result.exit_code == 3
    assert answer["discrepancies"] == []
    assert answer["result"]["outcome"] == "incomplete"
    assert "INVPOSLIST" in answer["result"]["error"]["message"]
    assert compare(files, "--no-position-list-means-flat", statement="statement.ofx").exit_code == 1


def write_two_accounts(files: Path) -> None:
    """A statement of ACC-1, which agrees with the local book, and of ACC-2, which holds one X."""
    case = FlexCase()
    both = case.text(Situation.ONE_POSITION.value).replace('count="1"', 'count="2"')
    other = case.text(Book((held("X", "1", "1", "1"),)), "ACC-2")
    statement = other[other.index("<FlexStatement ") : other.index("</FlexStatements>")]
    (files / "statement.xml").write_text(both.replace("</FlexStatements>", statement + "</FlexStatements>"))


@pytest.mark.parametrize("order", [("ACC-1", "ACC-2"), ("ACC-2", "ACC-1", "ACC-2")])
def test_each_account_that_is_named_is_compared(files: Path, order: Sequence[str]) -> None:
    write_two_accounts(files)
    (files / "positions.csv").write_text(HEADER + "ACC-1,AAPL,stock,100,150.25\nACC-2,X,stock,2,1\n")
    named = [word for account_id in order for word in ("--account", account_id)]

    result = compare(files, *named, "--json", balances=False)

    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {one["account_id"]: one["outcome"] for one in answer["results"]} == {
        "ACC-1": "clean",
        "ACC-2": "discrepancies",
    }
    assert [(found["account_id"], found["type"]) for found in answer["discrepancies"]] == [
        ("ACC-2", "quantity_mismatch")
    ]
    text = compare(files, *named, balances=False).stdout
    assert "Account ACC-1" in text
    assert text.endswith("2 accounts: 1 clean, 1 discrepancies\n")


def test_of_several_accounts_one_must_be_chosen(files: Path) -> None:
    write_two_accounts(files)

    undecided = compare(files)

    assert undecided.exit_code == 2
    assert "ACC-1, ACC-2" in undecided.stderr
    assert compare(files, "--account", "ACC-1").exit_code == 0
    assert compare(files, "--account", "ACC-3").exit_code == 2


def test_a_local_book_without_the_account_is_bad_input(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "OTHER,AAPL,stock,100,150.25\n")

    result = compare(files, balances=False)

    assert result.exit_code == 2
    assert "'ACC-1' is not in" in result.stderr


def test_a_local_row_that_cannot_be_read_is_bad_input_with_its_line(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "ACC-1,AAPL,stock,many,150.25\n")

    result = compare(files)

    assert result.exit_code == 2
    assert "line 2" in result.stderr


def test_a_holding_under_another_name_is_two_findings_until_the_mapping_says_so(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "ACC-1,APPLE,stock,100,150.25\n")
    (files / "symbols.csv").write_text("broker,broker_symbol,local_symbol\nflex,AAPL,APPLE\nofx,AAPL,OTHER\n")

    unmapped = compare(files)
    mapped = compare(files, "--symbols", str(files / "symbols.csv"))

    assert unmapped.exit_code == 1
    assert mapped.exit_code == 0, mapped.output


def test_symbols_that_are_only_written_differently_are_one(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "ACC-1,BRK.B,stock,7,400\n")
    (files / "statement.xml").write_text(FlexCase().text(Book((held("BRK B", "7", "400", "3500"),))))

    assert compare(files).exit_code == 0


def test_a_holding_that_seems_to_be_the_brokers_under_another_name_is_shown_so(files: Path) -> None:
    (files / "positions.csv").write_text(HEADER + "ACC-1,AAPLX,stock,100,150.25\n")

    result = compare(files)

    assert "AAPLX (broker: AAPL?)" in result.stdout
    assert "AAPL (local: AAPLX?)" in result.stdout
    assert "2 discrepancies" in result.stdout


@pytest.mark.parametrize(
    ("row", "status"),
    [("short,100", 0), ("Sell,100", 0), ("long,100", 1), ("short,-100", 2), ("sideways,100", 2), (",100", 2)],
)
def test_a_side_column_of_the_local_book_gives_the_sign(files: Path, row: str, status: int) -> None:
    (files / "positions.csv").write_text(
        f"account_id,symbol,asset_type,avg_cost,side,quantity\nACC-1,AAPL,stock,150.25,{row}\n"
    )
    (files / "statement.xml").write_text(FlexCase().text(Book((held("AAPL", "-100", "150.25", "-15025"),))))

    result = compare(files, balances=False)

    assert result.exit_code == status, result.output
    if status == 2:
        assert "line 2, column" in result.stderr


def test_the_local_book_is_read_by_a_mapping_too(tmp_path: Path) -> None:
    (tmp_path / "local.csv").write_text("Instrument,Qty.,Avg. cost,LTP,Cur. val\nABC-EQ,5,2,1,5\n")
    (tmp_path / "broker.csv").write_text("account_id,symbol,quantity\nA-1,ABC,5\n")

    result = CliRunner().invoke(
        cli,
        [
            *("compare", "--local", str(tmp_path / "local.csv"), "--local-mapping", "zerodha"),
            *("--broker", str(tmp_path / "broker.csv"), "--default-account", "A-1"),
        ],
    )

    assert result.exit_code == 0, result.output
    assert "clean: 1 position checked" in result.stdout
