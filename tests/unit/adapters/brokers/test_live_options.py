"""Options of the live brokers: a mistake is found when the connection is opened, and named."""

import subprocess
import sys

import pytest

from reconciliation.adapters.brokers.alpaca.adapter import open_alpaca
from reconciliation.adapters.brokers.ccxt.adapter import open_ccxt
from reconciliation.adapters.brokers.sdk.credentials import require_extra
from reconciliation.errors import ConfigurationError

ALPACA_SECRETS = {"api_key": "planted-key", "secret_key": "planted-secret"}
CCXT = {"exchange": "kraken", "account_id": "A"}


def test_alpaca_declares_its_documented_limits():
    assert open_alpaca({}, ALPACA_SECRETS).limits.requests_per_second == pytest.approx(200 / 60)


def test_agreed_limits_replace_the_documented_ones():
    limits = open_alpaca({"requests_per_second": 16, "concurrency": 5}, ALPACA_SECRETS).limits
    assert (limits.requests_per_second, limits.concurrency) == (16, 5)


@pytest.mark.parametrize(
    ("options", "secrets", "told"),
    [
        ({}, {}, "needs the secret 'api_key', 'secret_key'"),
        ({}, {"api_key": "planted-key"}, "needs the secret 'secret_key'"),
        ({}, {**ALPACA_SECRETS, "oauth_token": "planted-token"}, "'oauth_token' stands alone"),
        ({"api": "broker"}, {"oauth_token": "planted-token"}, "for the trading API only"),
        ({}, {**ALPACA_SECRETS, "apikey": "planted"}, "no secret 'apikey'"),
        ({"api": "market"}, ALPACA_SECRETS, "'api' must be one of trading, broker"),
        ({"api_key": "planted-key"}, ALPACA_SECRETS, "has no option 'api_key'"),
        ({"timeout_seconds": 0}, ALPACA_SECRETS, "'timeout_seconds' must be a number above 0"),
        ({"timeout_seconds": 1000}, ALPACA_SECRETS, "at most 120"),
        ({"concurrency": 0}, ALPACA_SECRETS, "'concurrency' must be a whole number"),
        ({"concurrency": 1.5}, ALPACA_SECRETS, "'concurrency' must be a whole number"),
        ({"requests_per_second": 0}, ALPACA_SECRETS, "'requests_per_second' must be a number above 0"),
        ({"paper": "yes"}, ALPACA_SECRETS, "'paper' must be true or false"),
    ],
)
def test_a_mistake_in_alpaca_s_options_is_named(options, secrets, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        open_alpaca(options, secrets)
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exchange": "krakn"}, "'exchange' must be the id of an exchange"),
        ({"exchange": "../ccxt"}, "'exchange' must be the id of an exchange"),
        ({"exchange": None}, "needs the option 'exchange'"),
        ({"account_id": None}, "either the option 'account_id'"),
        ({"accounts": {"B": {}}}, "either the option 'account_id'"),
        ({"account_id": None, "accounts": {}}, "'accounts' must be an object of objects"),
        ({"account_id": None, "accounts": {"B": "x"}}, "'accounts' must be an object of objects"),
        ({"holds": "everything"}, "'holds' must be one of spot, derivatives, both"),
        ({"position_params": {}}, "'position_params' must be a list"),
        ({"position_params": ["linear"]}, "'position_params' must be a list of objects"),
        ({"cash_currencies": []}, "'cash_currencies' must be a list of texts"),
        ({"config": {"apiKey": "planted"}}, "'config' must not hold 'apiKey'"),
        ({"config": {"verbose": True}}, "'config' must not hold 'verbose'"),
        ({"identity": "365859102"}, "'identity' needs 'identity_path'"),
        ({"concurrency": 4}, "has no option 'concurrency'"),
        ({"requests_per_second": 0}, "'requests_per_second' must be a number above 0"),
    ],
)
def test_a_mistake_in_ccxt_s_options_is_named(changes, told):
    options = {name: value for name, value in {**CCXT, **changes}.items() if value is not None}
    with pytest.raises(ConfigurationError, match=told) as caught:
        open_ccxt(options, {})
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({}, 2),
        ({"holds": "derivatives"}, 2),
        ({"holds": "both"}, 3),
        ({"holds": "derivatives", "position_params": [{"subType": "linear"}, {"subType": "inverse"}]}, 3),
    ],
)
def test_ccxt_declares_what_an_account_costs_and_asks_one_at_a_time(options, requests):
    limits = open_ccxt({**CCXT, **options}, {}).limits
    assert (limits.requests_per_account, limits.concurrency) == (requests, 1)


def test_no_sdk_is_loaded_before_it_is_asked():
    """Not by the core, not by a worker's modules, not even by opening the connections."""
    code = """
import sys
import reconciliation, reconciliation.bootstrap, tasks.celery
from reconciliation.adapters.brokers.host.registry import open_broker
open_broker("alpaca", {}, {"api_key": "planted-key", "secret_key": "planted-secret"})
open_broker("ccxt", {"exchange": "binance", "account_id": "A"}, {})
loaded = {"alpaca", "ccxt", "ib_async", "requests", "pandas", "aiohttp"} & set(sys.modules)
sys.exit(f"loaded: {sorted(loaded)}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_sdk_is_an_error_with_its_remedy():
    with pytest.raises(ConfigurationError, match=r"pip install 'reconciliation-workers\[x\]'"):
        require_extra("x", "a_package_that_nobody_has")
