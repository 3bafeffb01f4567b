"""A broker under the limits of its login: every request waits for its permit, then has its own time limit."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from reconciliation.broker.query import BrokerAccount, BrokerPosition
from reconciliation.errors import Unavailable

Answer = TypeVar("Answer")


class Gate(Protocol):
    """Lets requests of one login through, as many at once and as many a second as the broker allows."""

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Wait for a permit; it is given back at the end of the block."""
        ...

    async def close(self) -> None:
        """Serve nobody any more."""
        ...


class LocalGate:
    """The gate of a login without known limits: a bound for this process alone."""

    def __init__(self, concurrency: int) -> None:
        self._semaphore = asyncio.Semaphore(concurrency)

    def permit(self) -> AbstractAsyncContextManager[None]:
        return self._semaphore

    async def close(self) -> None:
        """Nothing is held outside this process."""


class Asker(Protocol):
    """The two questions of `BrokerQuery`."""

    async def get_positions(self, account_id: str) -> Sequence[BrokerPosition]: ...
    async def get_account(self, account_id: str) -> BrokerAccount: ...


class PermittedBroker:
    """A `BrokerQuery` whose requests wait for a permit. The wait is not part of the time limit."""

    def __init__(self, broker: Asker, gate: Gate, timeout_seconds: float) -> None:
        self._broker = broker
        self._gate = gate
        self._timeout_seconds = timeout_seconds

    async def get_positions(self, account_id: str) -> Sequence[BrokerPosition]:
        async with self._gate.permit():
            return await within(self._timeout_seconds, self._broker.get_positions(account_id), account_id)

    async def get_account(self, account_id: str) -> BrokerAccount:
        async with self._gate.permit():
            return await within(self._timeout_seconds, self._broker.get_account(account_id), account_id)


async def within(seconds: float, answer: Awaitable[Answer], account_id: str | None = None) -> Answer:
    """Await `answer`; no answer in time is `Unavailable`."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await answer
    except TimeoutError:
        if not limit.expired():
            raise
        raise Unavailable(f"the broker gave no answer within {seconds:g} s", account_id=account_id) from None
