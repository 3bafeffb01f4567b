"""The pages of the live brokers: examples open, and every option and limit is on its page."""

import json
import re

import pytest

from reconciliation.adapters.brokers.alpaca.adapter import DOCUMENTED_LIMITS, open_alpaca
from reconciliation.adapters.brokers.ccxt.adapter import open_ccxt
from reconciliation.adapters.brokers.ccxt.facts import FACTS
from reconciliation.adapters.brokers.host.registry import broker_names
from reconciliation.errors import ConfigurationError
from tests.support.places import ROOT

PAGES = ROOT / "docs" / "brokers"


def page(name):
    return (PAGES / name).read_text(encoding="utf-8")


def options_of(opener, options, secrets):
    """Return the names that a broker says it knows when it refuses one that it does not."""
    with pytest.raises(ConfigurationError) as caught:
        opener({**options, "no_such_option": 1}, secrets)
    return re.findall(r"\w+", str(caught.value).partition("its options are: ")[2])


EXAMPLES = re.findall(r"```json\n(.*?)```", page("ccxt.md"), flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_opens(example):
    open_ccxt(json.loads(example), {})


def test_there_is_an_example_of_each_kind():
    assert {json.loads(example).get("holds", "spot") for example in EXAMPLES} == {"spot", "derivatives", "both"}


@pytest.mark.parametrize(
    ("opener", "options", "secrets", "name"),
    [
        (open_alpaca, {}, {"api_key": "k", "secret_key": "s"}, "alpaca.md"),
        (open_ccxt, {"exchange": "kraken", "account_id": "A"}, {}, "ccxt.md"),
    ],
    ids=["alpaca", "ccxt"],
)
def test_every_option_is_on_its_page(opener, options, secrets, name):
    known = options_of(opener, options, secrets)
    assert len(known) > 5
    assert not [option for option in known if f"`{option}`" not in page(name)]


def test_the_limits_on_the_pages_are_those_in_the_code():
    assert f"{DOCUMENTED_LIMITS['trading'].requests_per_second:.2f}" in page("alpaca.md")
    for exchange in ("binance", "kraken", "hyperliquid"):
        assert f"{exchange} {FACTS[exchange].requests_per_second:g}" in page("ccxt.md")


def test_every_broker_is_in_the_index():
    index = page("README.md")
    assert not [name for name in broker_names() if f"`{name}`" not in index]
