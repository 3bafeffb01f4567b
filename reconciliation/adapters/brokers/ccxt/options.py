"""Options of a ccxt connection, as someone wrote them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reconciliation.adapters.brokers.ccxt.facts import FACTS, UNKNOWN_EXCHANGE, ExchangeFacts, RowEvidence
from reconciliation.adapters.brokers.sdk.credentials import require_extra
from reconciliation.adapters.brokers.sdk.options import BrokerOptions, read_timeout
from reconciliation.errors import ConfigurationError
from reconciliation.ports.broker import BrokerLimits

#: Names that ccxt has for credentials; each exchange wants some of them.
SECRET_NAMES = (
    "apiKey",
    "secret",
    "password",
    "uid",
    "login",
    "accountId",
    "twofa",
    "privateKey",
    "walletAddress",
    "token",
)
#: What the connection sets itself, and what would print requests with their credentials.
RESERVED_CONFIG = frozenset({*SECRET_NAMES, "session", "logger", "verbose", "number", "timeout", "validateServerSsl"})

SPOT, DERIVATIVES, BOTH = "spot", "derivatives", "both"

FIAT = "AED ARS AUD BRL CAD CHF COP CZK DKK EUR GBP HKD INR JPY KRW MXN NOK NZD PLN SEK SGD TRY UAH USD ZAR"
STABLE = "BUSD DAI EURC FDUSD PYUSD TUSD USDC USDD USDP USDT"
CASH_CURRENCIES = frozenset(f"{FIAT} {STABLE}".split())


@dataclass(frozen=True, kw_only=True)
class CcxtOptions:
    """How one login at one exchange is read."""

    exchange: str
    #: Extra parameters of every request, by account.
    accounts: Mapping[str, Mapping[str, Any]]
    holds: str
    currency: str | None
    cash_currencies: frozenset[str]
    balance_params: Mapping[str, Any]
    #: One request for positions each; together they must cover all that the account may hold.
    position_params: Sequence[Mapping[str, Any]]
    position_symbols: Sequence[str] | None
    linear_in_contracts: bool
    identity: str | None
    facts: ExchangeFacts
    sandbox: bool
    config: Mapping[str, Any]
    #: A position in an unknown market loads the markets again, but not sooner than this.
    markets_reload_seconds: float
    timeout_seconds: float
    limits: BrokerLimits


def read_ccxt_options(raw_options: Mapping[str, Any]) -> CcxtOptions:
    """Return the options, or raise ConfigurationError naming the one that cannot work."""
    require_extra("ccxt", "ccxt")
    options = BrokerOptions("ccxt", raw_options)
    exchange = options.text("exchange")
    if not _exists(exchange):
        raise options.wrong("exchange", "the id of an exchange that ccxt knows, like 'binance'")
    holds = options.text("holds", SPOT)
    if holds not in {SPOT, DERIVATIVES, BOTH}:
        raise options.wrong("holds", f"one of {SPOT}, {DERIVATIVES}, {BOTH}")
    facts = _facts(options, FACTS.get(exchange, UNKNOWN_EXCHANGE))
    position_params = _tables(options, "position_params") or [{}]
    read = CcxtOptions(
        exchange=exchange,
        accounts=_accounts(options),
        holds=holds,
        currency=options.optional_text("currency"),
        cash_currencies=frozenset(_texts(options, "cash_currencies") or CASH_CURRENCIES),
        balance_params=options.table("balance_params") if options.has("balance_params") else {},
        position_params=position_params,
        position_symbols=_texts(options, "position_symbols"),
        linear_in_contracts=options.flag("linear_in_contracts", default=False),
        identity=options.optional_text("identity"),
        facts=facts,
        sandbox=options.flag("sandbox", default=False),
        config=_config(options),
        markets_reload_seconds=float(options.number("markets_reload_seconds", 60)),
        timeout_seconds=read_timeout(options),
        limits=_limits(options, facts, 2 if holds == SPOT else 1 + len(position_params) + (holds == BOTH)),
    )
    options.check_all_read()
    if read.identity is not None and facts.identity_path is None:
        raise ConfigurationError("broker 'ccxt': option 'identity' needs 'identity_path' at this exchange")
    return read


def _exists(exchange: str) -> bool:
    """Look for the exchange's file: asking ccxt itself would load a hundred exchanges."""
    package = find_spec("ccxt")
    folders = package.submodule_search_locations if package else None
    return exchange.isalnum() and any((Path(folder) / f"{exchange}.py").is_file() for folder in folders or ())


def _accounts(options: BrokerOptions) -> Mapping[str, Mapping[str, Any]]:
    if options.has("account_id") == options.has("accounts"):
        raise ConfigurationError(
            "broker 'ccxt' needs either the option 'account_id', what the login's account is called, "
            "or 'accounts', an object of such names with the parameters that select each"
        )
    if options.has("account_id"):
        return {options.text("account_id"): {}}
    accounts = options.table("accounts")
    if not accounts or not all(isinstance(params, Mapping) for params in accounts.values()):
        raise options.wrong("accounts", "an object of objects: {account id: {parameter: value}}")
    return accounts


def _facts(options: BrokerOptions, facts: ExchangeFacts) -> ExchangeFacts:
    places: dict[str, Any] = {}
    for name in ("identity_path", "equity_path"):
        if options.has(name):
            places[name] = options.text(name)
    for name in ("positions", "balances"):
        path, size = f"{name}_path", f"{name}_size"
        if options.has(path) or options.has(size):
            places[name] = RowEvidence(paths=(options.text(path),), sizes=(options.text(size),))
    return replace(facts, **places)


def _config(options: BrokerOptions) -> Mapping[str, Any]:
    config = options.table("config") if options.has("config") else {}
    reserved = sorted(RESERVED_CONFIG & set(config))
    if reserved:
        raise ConfigurationError(
            f"broker 'ccxt': option 'config' must not hold {', '.join(map(repr, reserved))}: "
            "credentials are secrets of the connection, the others are set by it"
        )
    return config


def _limits(options: BrokerOptions, facts: ExchangeFacts, requests_per_account: int) -> BrokerLimits:
    rate = options.number("requests_per_second", facts.requests_per_second)
    if not rate > 0:
        raise options.wrong("requests_per_second", "a number above 0")
    # One at a time: exchanges want a nonce that grows with each request of a key.
    return BrokerLimits(requests_per_second=float(rate), concurrency=1, requests_per_account=requests_per_account)


def _texts(options: BrokerOptions, name: str) -> list[str] | None:
    return _list(options, name, str, "a list of texts")


def _tables(options: BrokerOptions, name: str) -> list[Mapping[str, Any]] | None:
    return _list(options, name, Mapping, "a list of objects")


def _list(options: BrokerOptions, name: str, kind: Any, expected: str) -> list[Any] | None:
    values = options.items(name)
    if values is not None and not (values and all(isinstance(value, kind) for value in values)):
        raise options.wrong(name, expected)
    return values
