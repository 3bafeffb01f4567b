"""A broker under the limits of its login: every request waits for its permit, and has its own time limit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from reconciliation.adapters.brokers.sdk.time_limits import active_timeouts, paused, within
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.ports.broker import RequestPermits


class RateLimiter(RequestPermits, Protocol):
    """Lets requests of one login through, as many at once and as many a second as the broker allows."""

    async def close(self) -> None:
        """Stop serving requests."""
        ...


class LocalLimiter:
    """The limiter of a login without known limits: it bounds this process only."""

    def __init__(self, concurrency: int) -> None:
        self._semaphore = asyncio.Semaphore(concurrency)

    def permit(self) -> AbstractAsyncContextManager[None]:
        return self._semaphore

    async def close(self) -> None:
        """Nothing is held outside this process."""


class UntimedPermits:
    """Permits of a rate limiter; all time limits pause while a request waits for one."""

    def __init__(self, limiter: RequestPermits) -> None:
        self._limiter = limiter

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            with paused(active_timeouts()):
                await held.enter_async_context(self._limiter.permit())
            yield


class BrokerReads(Protocol):
    """The two reads of `BrokerQuery`."""

    async def get_positions(self, account_id: str) -> list[BrokerPosition]: ...
    async def get_account(self, account_id: str) -> BrokerAccount: ...


class TimedBroker:
    """A `BrokerQuery` whose answers have a time limit; it takes its permits itself."""

    def __init__(self, broker: BrokerReads, timeout_seconds: float) -> None:
        self._broker = broker
        self._timeout_seconds = timeout_seconds

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        return await within(self._timeout_seconds, self._broker.get_positions(account_id), account_id)

    async def get_account(self, account_id: str) -> BrokerAccount:
        return await within(self._timeout_seconds, self._broker.get_account(account_id), account_id)


class PermittedBroker:
    """A `BrokerQuery` that takes no permits itself: each read waits for as many as it is declared to cost.

    Balances cost one request, positions all the others that `requests_per_account` declares. The requests of a read
    cannot be seen, so all but one are charged before it starts, and one permit is held until it ends.
    """

    def __init__(
        self, broker: BrokerReads, limiter: RequestPermits, timeout_seconds: float, requests_per_account: int
    ) -> None:
        self._broker = TimedBroker(broker, timeout_seconds)
        self._limiter = limiter
        self._charged_ahead = max(requests_per_account - 2, 0)

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        for _ in range(self._charged_ahead):
            async with self._limiter.permit():
                pass
        async with self._limiter.permit():
            return await self._broker.get_positions(account_id)

    async def get_account(self, account_id: str) -> BrokerAccount:
        async with self._limiter.permit():
            return await self._broker.get_account(account_id)
