"""Alpaca, by its own SDK (extra `alpaca`): one account by its key, or many by a Broker API key.

Options: `api` ("trading", the default, or "broker"), `paper` (default true), `timeout_seconds` (10),
`requests_per_second`, `concurrency`, `base_url` (a proxy or a test server).
Secrets: `api_key` and `secret_key`, or `oauth_token` (trading only).
"""

from collections.abc import Mapping
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, Any

from reconciliation.adapters.brokers.alpaca.answers import HeldValue, read_account, read_held_value, read_positions
from reconciliation.adapters.brokers.sdk.credentials import Credentials, require_extra
from reconciliation.adapters.brokers.sdk.options import BrokerOptions, read_limits, read_timeout
from reconciliation.adapters.brokers.sdk.sdk_threads import SdkThreads
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.errors import ConfigurationError, Incomplete, ReadError
from reconciliation.ports.broker import BrokerLimits, ClosableBroker, MeteredBroker, RequestPermits

if TYPE_CHECKING:
    from reconciliation.adapters.brokers.alpaca.client import AlpacaClient

#: By `api`. Alpaca allows 200 requests a minute to a trading account. The Broker API's limit is agreed with each
#: partner and not published: 10 a second is a careful guess until the operator says better.
DOCUMENTED_LIMITS = {
    "trading": BrokerLimits(requests_per_second=200 / 60, concurrency=2),
    "broker": BrokerLimits(requests_per_second=10, concurrency=8),
}


def open_alpaca(raw_options: Mapping[str, Any], secrets: Mapping[str, str]) -> "AlpacaBroker":
    """Return the broker; the SDK is loaded and Alpaca is asked with the first read."""
    require_extra("alpaca", "alpaca")
    options = BrokerOptions("alpaca", raw_options)
    api = options.text("api", "trading")
    if api not in DOCUMENTED_LIMITS:
        raise options.wrong("api", f"one of {', '.join(DOCUMENTED_LIMITS)}")
    broker = AlpacaBroker(
        api=api,
        paper=options.flag("paper", default=True),
        base_url=options.optional_text("base_url"),
        credentials=_credentials(api, secrets),
        timeout_seconds=read_timeout(options),
        limits=read_limits(options, DOCUMENTED_LIMITS[api]),
    )
    options.check_all_read()
    return broker


def _credentials(api: str, secrets: Mapping[str, str]) -> Credentials:
    credentials = Credentials("alpaca", secrets, ("api_key", "secret_key", "oauth_token"))
    if "oauth_token" not in credentials.values():
        credentials.require("api_key", "secret_key")
    elif api == "broker" or len(credentials.values()) > 1:
        raise ConfigurationError(
            "broker 'alpaca': the secret 'oauth_token' stands alone, and for the trading API only: "
            "give either it, or 'api_key' and 'secret_key'"
        )
    return credentials


class AlpacaBroker(ClosableBroker, MeteredBroker):
    """Positions and balances of Alpaca accounts, named by account number or account id."""

    def __init__(
        self,
        *,
        api: str,
        paper: bool,
        base_url: str | None,
        credentials: Credentials,
        timeout_seconds: float,
        limits: BrokerLimits,
    ) -> None:
        self._api = api
        self._paper = paper
        self._base_url = base_url
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._limits = limits
        self._client: AlpacaClient | None = None
        self._connecting = Lock()
        #: Accounts whose number was seen in an answer to these credentials: a key's account never changes.
        self._proven: set[str] = set()
        self._threads = SdkThreads(
            who="Alpaca",
            concurrency=limits.concurrency,
            # One read is up to three requests.
            timeout_seconds=3 * timeout_seconds,
            queue_timeout_seconds=12 * timeout_seconds,
            explain=_unknown,
            hide=credentials.hide,
        )

    def __repr__(self) -> str:
        return f"AlpacaBroker(api={self._api!r}, paper={self._paper})"

    @property
    def limits(self) -> BrokerLimits:
        return self._limits

    def take_permits_from(self, permits: RequestPermits) -> None:
        self._threads.take_permits_from(permits)

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        await self._load(account_id)
        return await self._threads.ask(account_id, lambda: self._positions(account_id))

    async def get_account(self, account_id: str) -> BrokerAccount:
        await self._load(account_id)
        return await self._threads.ask(account_id, lambda: self._account(account_id))

    async def close(self) -> None:
        self._threads.close()
        if self._client is not None:
            self._client.close()

    async def _load(self, account_id: str) -> None:
        if self._client is None:
            await self._threads.load(account_id, self._connected)

    def _positions(self, account_id: str) -> list[BrokerPosition]:
        """Read the rows. They do not name their account, so the account itself is read as proof."""
        if account_id not in self._proven:
            self._account(account_id)
        positions = read_positions(self._connected().positions(account_id), account_id)
        if not positions:
            self._expect_flat(account_id)
        return positions

    def _expect_flat(self, account_id: str) -> None:
        held = read_held_value(self._connected().account(account_id), account_id)
        if held != HeldValue(long=Decimal(0), short=Decimal(0)):
            raise Incomplete(
                f"Alpaca listed no positions, yet says that account {account_id!r} holds "
                f"{held.long} long and {held.short} short",
                account_id=account_id,
            )

    def _account(self, account_id: str) -> BrokerAccount:
        account = read_account(self._connected().account(account_id), account_id)
        self._proven.add(account_id)
        return account

    def _connected(self) -> "AlpacaClient":
        with self._connecting:
            if self._client is None:
                # Only here: the SDK costs seconds to load and some 60 MB.
                from reconciliation.adapters.brokers.alpaca.client import connect_alpaca  # noqa: PLC0415

                self._client = connect_alpaca(
                    api=self._api,
                    paper=self._paper,
                    base_url=self._base_url,
                    secrets=self._credentials.values(),
                    timeout_seconds=self._timeout_seconds,
                    connections=self._limits.concurrency,
                    permit=self._threads.permit,
                )
            return self._client


def _unknown(_: Exception) -> ReadError | None:
    """Leave it to the caller: every failure of the wire is explained by the transport."""
