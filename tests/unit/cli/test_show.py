import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciliation.cli import cli
from tests.brokers.cases import Situation
from tests.brokers.statement_cases import CsvCase, FlexCase, OfxSgmlCase
from tests.support.places import ROOT

DEMO = ROOT / "examples" / "demo" / "statement.xml"


def show(path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["show", str(path), *options])


def test_the_demo_statement_is_shown_with_its_balances_and_positions() -> None:
    result = show(DEMO)

    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["cash", "25250.00", "USD"] in lines
    assert ["equity", "113800.00", "USD"] in lines
    assert ["MSFT", "stock", "60", "415", "30000", "USD", "1", "conid:272093", "isin:US5949181045"] in lines


def test_json_says_the_same_as_strings_and_null() -> None:
    (account,) = json.loads(show(DEMO, "--json").stdout)["accounts"]

    assert (account["account_id"], account["cash"], account["buying_power"]) == ("DEMO-1", "25250.00", None)
    assert account["as_of"] == "2026-11-20T00:00:00+00:00"
    (option,) = [row for row in account["positions"] if row["asset_type"] == "option"]
    assert (option["symbol"], option["quantity"], option["multiplier"]) == ("AAPL  261218C00260000", "5", "100")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flex", FlexCase().text(Situation.ONE_POSITION.value)),
        ("ofx", OfxSgmlCase().text(Situation.ONE_POSITION.value)),
        ("csv", CsvCase().text(Situation.ONE_POSITION.value)),
    ],
)
def test_the_format_is_known_by_the_content(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "statement.txt"
    path.write_text(text)

    result = show(path, "--json")

    assert json.loads(result.stdout)["format"] == name
    assert show(path, "--format", "flex" if name != "flex" else "ofx").exit_code in {2, 3}


def test_a_file_of_several_accounts_lists_them_and_shows_the_requested_one(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    rows = "".join(f"A{n:02},X,stock,{n + 1},1\n" for n in range(12))
    path.write_text("account_id,symbol,asset_type,quantity,avg_cost\n" + rows)

    every, one = show(path), show(path, "--account", "A03")

    assert "12 accounts" in every.stdout
    assert [line.split()[0] for line in every.stdout.splitlines()[3:15]] == [f"A{n:02}" for n in range(12)]
    assert "Account A03" in one.stdout
    assert "A04" not in one.stdout
    assert show(path, "--account", "B").exit_code == 2


def test_a_position_list_that_is_missing_is_said_to_be_unknown(tmp_path: Path) -> None:
    path = tmp_path / "s.ofx"
    path.write_text(OfxSgmlCase().text(Situation.FLAT.value).replace("<INVPOSLIST>\n</INVPOSLIST>\n", ""))

    result = show(path)

    assert result.exit_code == 0
    assert "Positions are not known" in result.stdout
    assert json.loads(show(path, "--json").stdout)["accounts"][0]["positions"] is None


def test_a_flat_account_is_said_to_be_flat(tmp_path: Path) -> None:
    path = tmp_path / "s.ofx"
    path.write_text(OfxSgmlCase().text(Situation.FLAT.value))

    assert "No positions: the account is flat." in show(path).stdout


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (DEMO.read_bytes()[:3000], 3, "ends too early"),
        (b"", 2, "is empty"),
        (b"\x1f\x8b\x08\x00\x00", 2, "is binary"),
        (b'<!DOCTYPE FlexQueryResponse [<!ENTITY a "b">]><FlexQueryResponse/>', 2, "DOCTYPE"),
        (b"<FlexQueryResponse>\n<FlexStatements></FlexQueryResponse>", 2, "line 2: not well-formed"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_with_its_place_and_reason(
    tmp_path: Path, content: bytes, status: int, reason: str
) -> None:
    path = tmp_path / "statement.xml"
    path.write_bytes(content)

    result = show(path)

    assert result.exit_code == status
    assert result.stderr.startswith(f"Error: {path}: ")
    assert reason in result.stderr
    assert result.stdout == ""


def test_a_mapping_for_what_is_not_csv_is_wrong_usage(tmp_path: Path) -> None:
    mapping = tmp_path / "m.toml"
    mapping.write_text("")

    result = show(DEMO, "--mapping", str(mapping))

    assert result.exit_code == 2
    assert "which takes no option mapping" in result.stderr
