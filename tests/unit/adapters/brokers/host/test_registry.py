from pathlib import Path

import pytest

from reconciliation.adapters.brokers.host.registry import broker_names, open_broker
from reconciliation.adapters.brokers.paper.paper import PaperBroker
from reconciliation.errors import ConfigurationError

ACME = """
from reconciliation.ports.broker import BrokerAccount

class Acme:
    def __init__(self, options, secrets):
        self.options = options
        self.secrets = secrets

    async def get_positions(self, account_id):
        return []

    async def get_account(self, account_id):
        return BrokerAccount(account_id, None, None, None, None)

def fails(options, secrets):
    raise RuntimeError("cannot log in with " + secrets["password"])

def opens_a_text(options, secrets):
    return "no broker"
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that is not ours, installed as pip would: a module, and its entry points beside it."""
    (tmp_path / "acme_reconciliation.py").write_text(ACME)
    metadata = tmp_path / "acme_reconciliation-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-reconciliation\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[reconciliation.brokers]\n"
        "acme = acme_reconciliation:Acme\n"
        "acme-fails = acme_reconciliation:fails\n"
        "acme-text = acme_reconciliation:opens_a_text\n"
        "acme-absent = acme_reconciliation:nothing_of_this_name\n"
        "acme-needs = acme_sdk_that_is_not_installed:open\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_the_paper_broker_is_found_by_name() -> None:
    assert isinstance(open_broker("paper", {}), PaperBroker)


def test_an_unknown_name_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(ConfigurationError, match=r"no broker 'papper'; installed are: .*csv.*flex.*ofx.*paper"):
        open_broker("papper", {})


@pytest.mark.usefixtures("acme")
async def test_a_third_partys_broker_is_found_by_its_entry_point() -> None:
    broker = open_broker("acme", {"a": 1}, {"token": "t"})

    assert "acme" in broker_names()
    assert (await broker.get_account("X")).account_id == "X"
    assert (broker.options, broker.secrets) == ({"a": 1}, {"token": "t"})  # type: ignore[attr-defined]


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("acme-text", "opened a str, which lacks get_positions and get_account"),
        ("acme-absent", "'acme_reconciliation:nothing_of_this_name'"),
        ("acme-needs", "needs the package 'acme_sdk_that_is_not_installed'"),
    ],
)
def test_a_broker_that_cannot_be_opened_says_why(name: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        open_broker(name, {})


@pytest.mark.usefixtures("acme")
def test_what_a_foreign_broker_raises_does_not_carry_a_secret_out() -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_broker("acme-fails", {}, {"password": "hunter2"})

    assert "RuntimeError" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__
