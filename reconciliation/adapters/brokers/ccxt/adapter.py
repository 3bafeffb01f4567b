"""Any exchange that ccxt knows (extra `ccxt`): wallets, margin, swaps, futures. Options: docs/brokers/ccxt.md."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciliation.adapters.brokers.ccxt.answers import (
    UnknownMarketError,
    read_account,
    read_holdings,
    read_positions,
)
from reconciliation.adapters.brokers.ccxt.options import (
    DERIVATIVES,
    SECRET_NAMES,
    SPOT,
    CcxtOptions,
    read_ccxt_options,
)
from reconciliation.adapters.brokers.sdk.credentials import Credentials
from reconciliation.adapters.brokers.sdk.sdk_threads import SdkThreads
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.errors import BadData, ReadError
from reconciliation.ports.broker import BrokerLimits, ClosableBroker, MeteredBroker, RequestPermits

if TYPE_CHECKING:
    from reconciliation.adapters.brokers.ccxt.exchange import CcxtExchange


def open_ccxt(options: Mapping[str, Any], secrets: Mapping[str, str]) -> "CcxtBroker":
    """Return the broker; ccxt is loaded and the exchange is asked with the first read."""
    return CcxtBroker(read_ccxt_options(options), Credentials("ccxt", secrets, SECRET_NAMES))


class CcxtBroker(ClosableBroker, MeteredBroker):
    """One login at one exchange."""

    def __init__(self, options: CcxtOptions, credentials: Credentials) -> None:
        self._options = options
        self._credentials = credentials
        self._who = f"exchange {options.exchange!r}"
        self._exchange: CcxtExchange | None = None
        self._threads = SdkThreads(
            who=self._who,
            concurrency=options.limits.concurrency,
            # Some reads are two requests, and an unknown market loads all of them again.
            timeout_seconds=(2 * options.limits.requests_per_account + 3) * options.timeout_seconds,
            queue_timeout_seconds=60 * options.timeout_seconds,
            explain=self._explain,
            hide=credentials.hide,
        )

    def __repr__(self) -> str:
        return f"CcxtBroker(exchange={self._options.exchange!r}, holds={self._options.holds!r})"

    @property
    def limits(self) -> BrokerLimits:
        return self._options.limits

    def take_permits_from(self, permits: RequestPermits) -> None:
        self._threads.take_permits_from(permits)

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        params = self._params_of(account_id)
        await self._load(account_id)
        return await self._threads.ask(account_id, lambda: self._positions(account_id, params))

    async def get_account(self, account_id: str) -> BrokerAccount:
        params = self._params_of(account_id)
        await self._load(account_id)
        return await self._threads.ask(account_id, lambda: self._account(account_id, params))

    async def close(self) -> None:
        self._threads.close()
        if self._exchange is not None:
            self._exchange.close()

    def _params_of(self, account_id: str) -> Mapping[str, Any]:
        """Return what selects the account. An exchange answers for the key's owner, who must be known."""
        if account_id not in self._options.accounts:
            raise BadData(
                f"the login at {self._who} is not of account {account_id!r}: its options name "
                f"{', '.join(map(repr, list(self._options.accounts)[:5]))}",
                account_id=account_id,
            )
        return self._options.accounts[account_id]

    def _positions(self, account_id: str, params: Mapping[str, Any]) -> list[BrokerPosition]:
        held: list[BrokerPosition] = []
        if self._options.holds != DERIVATIVES:
            held += read_holdings(self._balance(params), self._options, f"balance of {account_id!r}")
        if self._options.holds != SPOT:
            held += self._open_positions(account_id, params)
        return held

    def _open_positions(self, account_id: str, params: Mapping[str, Any]) -> list[BrokerPosition]:
        held: list[BrokerPosition] = []
        for asked in self._options.position_params:
            rows = self._asked_for_positions(f"positions of {account_id!r}", {**params, **asked})
            twice = {row.symbol for row in held} & {row.symbol for row in rows}
            if twice:
                raise BadData(
                    f"two of the position_params of {self._who} both show {', '.join(sorted(twice))}: "
                    "make them exclude each other, or it counts twice"
                )
            held += rows
        return held

    def _asked_for_positions(self, place: str, params: Mapping[str, Any]) -> list[BrokerPosition]:
        exchange = self._connected()
        rows = exchange.positions(self._options.position_symbols, params)
        try:
            return read_positions(rows, exchange.answers, exchange.markets, self._options, place)
        except UnknownMarketError:
            if not exchange.may_reload():
                raise
        exchange.load_markets()
        rows = exchange.positions(self._options.position_symbols, params)
        return read_positions(rows, exchange.answers, exchange.markets, self._options, place)

    def _account(self, account_id: str, params: Mapping[str, Any]) -> BrokerAccount:
        return read_account(self._balance(params), account_id, self._options, f"balance of {account_id!r}")

    def _balance(self, params: Mapping[str, Any]) -> Any:
        return self._connected().balance({**self._options.balance_params, **params})

    async def _load(self, account_id: str) -> None:
        if self._exchange is None or not self._exchange.has_markets:
            await self._threads.load(account_id, self._connected)

    def _connected(self) -> "CcxtExchange":
        """Load SDK and markets; only ever run in the connection's one thread."""
        if self._exchange is None:
            # Only here: ccxt costs seconds to load and some 60 MB.
            from reconciliation.adapters.brokers.ccxt.exchange import CcxtExchange  # noqa: PLC0415

            self._exchange = CcxtExchange(self._options, self._credentials.values(), self._who, self._threads.permit)
        if not self._exchange.has_markets:
            self._exchange.load_markets()
        return self._exchange

    def _explain(self, error: Exception) -> ReadError | None:
        return None if self._exchange is None else self._exchange.explain(error)
