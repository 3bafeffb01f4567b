"""`compare --all-accounts`: both sides of a whole firm."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciliation.cli import cli

LOCAL = """\
account_id,symbol,asset_type,quantity,avg_cost
A,AAPL,stock,100,10
A,MSFT,stock,5,20
B,AAPL,stock,7,10
C,SPY,stock,1,1
D,SPY,stock,3,
"""
BALANCES = "account_id,cash,equity\nA,50,1000\nB,10,100\n"
BROKER = """\
account_id,symbol,quantity,avg_cost,cash,equity
A,AAPL,90,10,50,1000
A,TSLA,2,5,50,1000
B,AAPL,7,10,10,100
D,SPY,3,4,,
E,SPY,1,1,,
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "local.csv").write_text(LOCAL)
    (tmp_path / "balances.csv").write_text(BALANCES)
    (tmp_path / "broker.csv").write_text(BROKER)
    return tmp_path


def compare(files: Path, *options: str) -> Result:
    named = ("--local", "local.csv", "--balances", "balances.csv", "--broker", "broker.csv")
    paths = [str(files / one) if one.endswith(".csv") else one for one in named]
    return CliRunner().invoke(cli, ["compare", *paths, "--all-accounts", *options])


def test_every_account_of_either_side_is_accounted_for(files: Path) -> None:
    result = compare(files, "--json")

    answer: dict[str, Any] = json.loads(result.stdout)
    summary = answer["summary"]
    assert (summary["accounts_compared"], summary["accounts_clean"]) == (3, 2)
    assert (summary["only_local"], summary["only_broker"]) == (["C"], ["E"])
    assert summary["positions_checked"] == 5
    assert summary["not_compared"] == {"cash": 1, "cost": 1, "equity": 1}
    found = {(one["account_id"], one["type"], one["symbol"], one["value_at_stake"]) for one in answer["discrepancies"]}
    assert found == {
        ("A", "quantity_mismatch", "AAPL", "100.00"),
        ("A", "missing_broker", "MSFT", "100.00"),
        ("A", "missing_local", "TSLA", "10.00"),
    }
    assert summary["by_type"]["missing_local"] == {"count": 1, "value_at_stake": {"": "10.00"}}
    # Accounts that only one side names could not be compared.
    assert (summary["outcome"], result.exit_code) == ("incomplete", 3)


def test_the_table_shows_the_worst_first_and_the_totals(files: Path) -> None:
    result = compare(files)

    lines = result.stdout.splitlines()
    worst = [line.split()[2] for line in lines if line.startswith("A  ")]
    assert worst == ["quantity_mismatch", "missing_broker", "missing_local"] or worst[-1] == "missing_local"
    assert any(line.startswith("missing_local") and line.endswith("10.00 ?") for line in lines)
    assert "1 account only in the local book: C" in result.stdout
    assert "1 account only in the statement: E" in result.stdout
    assert "3 accounts compared, 2 clean: 3 discrepancies, 5 positions checked" in result.stdout


def test_every_discrepancy_is_a_row_of_the_csv_file(files: Path) -> None:
    compare(files, "--csv", str(files / "out.csv"))

    with (files / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["account_id"], row["type"], row["local_value"], row["broker_value"]) for row in rows] == [
        ("A", "quantity_mismatch", "100", "90"),
        ("A", "missing_broker", "5", ""),
        ("A", "missing_local", "", "2"),
    ]


@pytest.mark.parametrize(
    ("broker", "status"),
    [
        ("A,AAPL,100,10,50,1000\nA,MSFT,5,20,50,1000\nB,AAPL,7,10,10,100\nC,SPY,1,1,,\nD,SPY,3,,,\n", 0),
        ("A,AAPL,99,10,50,1000\nA,MSFT,5,20,50,1000\nB,AAPL,7,10,10,100\nC,SPY,1,1,,\nD,SPY,3,,,\n", 1),
    ],
)
def test_the_exit_status_is_as_for_one_account(files: Path, broker: str, status: int) -> None:
    (files / "broker.csv").write_text(BROKER.splitlines(keepends=True)[0] + broker)

    assert compare(files).exit_code == status


def test_a_limit_for_one_account_is_none_for_a_firm(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"A{number},S,1,,,\n" for number in range(200_001))
    (files / "broker.csv").write_text(BROKER.splitlines(keepends=True)[0] + rows)

    result = compare(files, "--json")

    assert len(json.loads(result.stdout)["summary"]["only_broker"]) == 200_001


def test_a_file_that_cannot_be_read_is_bad_input(files: Path) -> None:
    (files / "broker.csv").write_text("account_id,symbol,quantity\nA,X,many\n")

    result = compare(files)

    assert (result.exit_code, "line 2: quantity" in result.stderr) == (2, True)


@pytest.mark.parametrize("options", [("--account", "A"), ("--csv", "/nonexistent/out.csv")])
def test_options_that_do_not_go_together_are_refused(files: Path, options: tuple[str, ...]) -> None:
    assert compare(files, *options).exit_code == 2
