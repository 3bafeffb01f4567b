"""The page "write your own broker", held to its word: its package is built, installed and run as a user's would be."""

import json
import os
import re
import subprocess
import sys
import zipfile

import pytest

import reconciliation.broker.transport
from tests.brokers.oanda_server import ACCOUNT, PACKAGE, SECRETS, OandaWire
from tests.contract.samples import load_sample
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "brokers" / "write-your-own.md"
FIXTURE = ROOT / "tests" / "fixtures" / "brokers" / "oanda_positions.json"

BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
READ = """
import asyncio, json, sys
from reconciliation.adapters.brokers.host.registry import broker_names, open_broker

async def main():
    asked = json.load(sys.stdin)
    broker = open_broker("oanda", asked["options"], asked["secrets"])
    rows = await broker.get_positions(asked["account_id"])
    account = await broker.get_account(asked["account_id"])
    await broker.close()
    module = sys.modules["broker_oanda"].__file__
    print(json.dumps({"names": broker_names(), "module": module, "cash": str(account.cash), "rows": [
        [row.symbol, str(row.quantity), str(row.avg_cost), row.asset_type.value, row.currency] for row in rows]}))

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Build the wheel and unpack it, which is all that installing a pure package is; nothing is downloaded."""
    target = tmp_path_factory.mktemp("installed")
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(target)], cwd=PACKAGE, capture_output=True, text=True, timeout=120, check=True
    )
    with zipfile.ZipFile(target / built.stdout.split()[-1]) as wheel:
        wheel.extractall(target)
    return target


def read(installed, case):
    asked = {
        "options": {"base_url": case.server.url, "timeout_seconds": 10},
        "secrets": SECRETS,
        "account_id": ACCOUNT,
    }
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=json.dumps(asked),
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def oanda():
    case = OandaWire()
    yield case
    case.close()


def test_the_package_is_found_by_its_entry_point_and_reads(installed, oanda):
    oanda.positions = json.loads(FIXTURE.read_text())["positions"]
    found = read(installed, oanda)
    assert "oanda" in found["names"]
    assert found["module"].startswith(str(installed))
    assert found["cash"] == "35454.4740"
    assert found["rows"] == [
        ["DE30_EUR", "-20", "10581.5", "cfd", "EUR"],
        ["EUR_GBP", "1500.25", "0.861234567890123", "forex", "GBP"],
    ]


def test_a_recorded_answer_comes_out_digit_for_digit(installed, oanda):
    oanda.positions = json.loads(json.dumps(load_sample("oanda/v3_accounts_accountID_positions.json"), default=str))[
        "response"
    ]["positions"]
    oanda.account = load_sample("oanda/v3_account_by_accountID_summary.json")["response"]["account"]
    found = read(installed, oanda)
    assert found["cash"] == "35454.4740"
    assert found["rows"] == [["DE30_EUR", "-20", "10581.5", "cfd", "EUR"]]


def test_every_piece_of_code_on_the_page_stands_in_the_package():
    page = PAGE.read_text(encoding="utf-8")
    pieces = re.findall(r"`(examples/broker_oanda/[\w/.]+)`[^\n]*\n\n```\w+\n(.*?)```", page, flags=re.DOTALL)
    assert len(pieces) >= 4
    for name, code in pieces:
        assert code.strip() in (ROOT / name).read_text(encoding="utf-8"), f"{PAGE.name} and {name} differ: {code[:60]}"


def test_the_package_and_the_page_import_public_names_only():
    texts = [PAGE.read_text(encoding="utf-8"), *(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))]
    imported = {
        module for text in texts for module in re.findall(r"^from (reconciliation\S*) import", text, re.MULTILINE)
    }
    assert imported == {"reconciliation.broker"}


def test_the_page_lists_every_public_name():
    page = PAGE.read_text(encoding="utf-8")
    names = [*reconciliation.broker.__all__, *reconciliation.broker.transport.__all__]
    assert not [name for name in names if f"`{name}`" not in page]
