"""The open brokers of one process: opened at first use, and again when a definition changes."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from reconciliation.adapters.brokers.host.rate_limited import LocalLimiter, RateLimiter, UntimedPermits
from reconciliation.adapters.brokers.host.reader import OpenConnection
from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.host.secrets import resolve_secrets
from reconciliation.domain.model.accounts import Connection
from reconciliation.errors import ConfigurationError
from reconciliation.ports.accounts import ConnectionDefinitions
from reconciliation.ports.broker import BrokerLimits, ClosableBroker, LimitedBroker, MeteredBroker

#: A changed definition is noticed within this time.
LOOK_AGAIN_SECONDS = 2.0
#: Accounts that one process reads at once at a broker without known limits.
UNLIMITED_ACCOUNTS = 100
#: The same in requests: an account's positions and balances are read together.
UNLIMITED_CONCURRENCY = 2 * UNLIMITED_ACCOUNTS


OpenLimiter = Callable[[str, BrokerLimits], RateLimiter]


@dataclass
class _Opened:
    definition: Connection
    connection: OpenConnection
    users: int = 0
    replaced: bool = False
    looked_at: float = field(default_factory=monotonic)


class OpenConnections:
    """Brokers by connection name, for one event loop."""

    def __init__(self, source: ConnectionDefinitions, open_limiter: OpenLimiter) -> None:
        self._source = source
        self._open_limiter = open_limiter
        self._opened: dict[str, _Opened] = {}
        #: One for each connection: another one's SDK may take long to load.
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def use(self, connection: str) -> AsyncIterator[OpenConnection]:
        """Give the connection's broker; it is not closed while it is in use.

        Raises:
            ConfigurationError: the connection is unknown or cannot work as it is configured.
        """
        async with self._opening[connection]:
            opened = await self._current(connection)
            opened.users += 1
        try:
            yield opened.connection
        finally:
            opened.users -= 1
            if opened.replaced and not opened.users:
                await _close(opened)

    async def aclose(self) -> None:
        """Close every broker. To be called in the event loop that used them."""
        for opened in self._opened.values():
            await _close(opened)
            await opened.connection.limiter.close()
        self._opened.clear()
        self._opening.clear()

    async def _current(self, name: str) -> _Opened:
        opened = self._opened.get(name)
        if opened is not None and monotonic() - opened.looked_at < LOOK_AGAIN_SECONDS:
            return opened
        definition = await asyncio.to_thread(self._source.get, name)
        if definition is None:
            raise ConfigurationError(
                f"there is no connection {name!r}: see `reconcile connections list`, or add it with "
                f"`reconcile connections add {name}`"
            )
        if opened is not None and opened.definition.revision == definition.revision:
            opened.looked_at = monotonic()
            return opened
        fresh = _Opened(definition, await asyncio.to_thread(self._open, definition))
        self._opened[name] = fresh
        if opened is not None:
            opened.replaced = True
            if not opened.users:
                await _close(opened)
        return fresh

    def _open(self, definition: Connection) -> OpenConnection:
        broker = open_broker(definition.broker, definition.broker_options, resolve_secrets(definition.secrets))
        limits = limits_of(definition, broker)
        if limits is None:
            limiter: RateLimiter = LocalLimiter(UNLIMITED_CONCURRENCY)
            return OpenConnection(broker=broker, limiter=limiter, accounts_at_once=UNLIMITED_ACCOUNTS)
        limiter = self._open_limiter(definition.name, limits)
        if isinstance(broker, MeteredBroker):
            broker.take_permits_from(UntimedPermits(limiter))
        return OpenConnection(
            broker=broker,
            limiter=limiter,
            accounts_at_once=limits.concurrency,
            requests_per_account=limits.requests_per_account,
        )


def limits_of(definition: Connection, broker: Any) -> BrokerLimits | None:
    """Return the limits of a login: what its definition says, else what the broker declares, else none."""
    declared = broker.limits if isinstance(broker, LimitedBroker) else None
    rate, concurrency = definition.requests_per_second, definition.concurrency
    if declared is None and rate is None and concurrency is None:
        return None
    declared = declared or BrokerLimits(requests_per_second=None, concurrency=UNLIMITED_ACCOUNTS)
    return BrokerLimits(
        requests_per_second=rate if rate is not None else declared.requests_per_second,
        concurrency=concurrency if concurrency is not None else declared.concurrency,
        requests_per_account=declared.requests_per_account,
    )


async def _close(opened: _Opened) -> None:
    broker: object = opened.connection.broker
    if isinstance(broker, ClosableBroker):
        # A broker that fails to close is dropped all the same.
        with suppress(Exception):
            await broker.close()
