"""The rate limiter of a broker login, shared by all workers: requests at once, and requests a second. Decided in Lua.

In each process one task exchanges with Redis for all waiting requests: releases and new requests go to Redis
together, so that a busy login costs few round trips and an idle one none. No process polls: a waiting process is woken
when a permit becomes its own, or wakes when the rate allows the next.

When a request reached the broker is not known, only that it was between its permit and its end; so it counts until a
window after its end. The limit then holds at the broker, however long a request was on the way, and of a rate R the
share 1 / (1 + seconds of an answer) can be used: 96 % with answers of 40 ms.
"""

import asyncio
import json
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from uuid import uuid4

import redis

from reconciliation.adapters.redis.client import explain
from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import AsyncRedisSpace
from reconciliation.ports.broker import BrokerLimits

#: No request is on its way to the broker for longer; a killed worker's permits stop to count against the rate after it.
SENT_MS = 10_000
#: Requests of one process in the shared queue; its other requests wait in the process.
MAX_LINE_LENGTH = 100
#: One wait for a sign from Redis.
LISTEN_SECONDS = 1


class RedisRateLimiter:
    """The gate of one connection, for one event loop.

    Args:
        lease_ms: after this a permit is free again even if it was not released; longer than any request may take.
    """

    def __init__(
        self,
        space: AsyncRedisSpace,
        connection: str,
        limits: BrokerLimits,
        *,
        lease_ms: int,
    ) -> None:
        self._space = space
        self._script = space.script(packaged("rate_limiter"))
        self._connection = connection
        self._process = f"{os.getpid()}-{uuid4().hex[:12]}"
        self._wake_key = f"{space.prefix}limit:{connection}:wake:{self._process}"
        self._fixed_arguments = (
            *_window(limits.requests_per_second),
            limits.concurrency,
            lease_ms,
            min(lease_ms, SENT_MS),
        )
        self._last = 0
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._released: list[str] = []
        self._news = asyncio.Event()
        self._exchanging: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[None]:
        """Wait for a permit, in turn with all workers; give it back at the end of the block.

        Raises:
            CoordinationError: Redis cannot be reached, so it is unknown whether the broker may be asked.
        """
        self._last += 1
        request_id = f"{self._process}:{self._last}"
        self._wanted[request_id] = asyncio.get_running_loop().create_future()
        self._tell()
        try:
            await self._wanted[request_id]
            yield
        finally:
            self._wanted.pop(request_id, None)
            self._released.append(request_id)
            self._tell()

    async def close(self) -> None:
        """Send the releases that are still to be sent; callers that still wait are not served any more."""
        if self._exchanging is None:
            return
        if self._is_waiting:
            self._exchanging.cancel()
        with suppress(asyncio.CancelledError, redis.RedisError):
            await self._exchanging

    def _tell(self) -> None:
        self._news.set()
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.create_task(self._exchange_loop())

    @property
    def _is_waiting(self) -> bool:
        return any(not request_id.done() for request_id in self._wanted.values())

    async def _exchange_loop(self) -> None:
        try:
            while self._released or self._is_waiting:
                await self._serve()
        except redis.RedisError as error:
            self._fail(error)

    async def _serve(self) -> None:
        """Exchange with Redis until nothing is left to send or to wait for."""
        listener: asyncio.Task[None] | None = None
        try:
            while self._released or self._is_waiting:
                self._news.clear()
                wait_seconds = await self._exchange()
                if not self._is_waiting:
                    continue
                if listener is None or listener.done():
                    listener = asyncio.create_task(self._listen())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), wait_seconds)
        finally:
            if listener is not None:
                listener.cancel()
                # Bounded: a client may swallow a cancellation that meets its answer; the listener then ends by itself.
                await asyncio.wait([listener], timeout=2 * LISTEN_SECONDS)
                if listener.done() and not listener.cancelled():
                    listener.exception()

    async def _exchange(self) -> float:
        """Release and request permits; return the seconds after which to ask again."""
        released, self._released = self._released, []
        waiting = [request_id for request_id, future in self._wanted.items() if not future.done()]
        wanted = list(islice(waiting, MAX_LINE_LENGTH))
        answer = await self._script.call(
            "", self._connection, self._process, *self._fixed_arguments, json.dumps(released), json.dumps(wanted)
        )
        wait_ms, granted = (*json.loads(answer), [])[:2]
        for request_id in granted:
            future = self._wanted.get(request_id)
            if future is None:
                self._released.append(request_id)  # its request was cancelled while we asked
            elif not future.done():
                future.set_result(None)
        return float(wait_ms) / 1000

    async def _listen(self) -> None:
        """Wait for the signal that another worker's release gave us a permit."""
        while self._is_waiting:
            if await self._space.client.blpop([self._wake_key], timeout=LISTEN_SECONDS):
                self._news.set()

    def _fail(self, error: redis.RedisError) -> None:
        for request_id in self._wanted.values():
            if not request_id.done():
                request_id.set_exception(explain(error, self._space.address))


def _window(requests_per_second: float | None) -> tuple[int, int]:
    """Return permits and window_ms that make the rate exactly, with a whole number of permits."""
    if requests_per_second is None:
        return 0, 1000
    permits = math.ceil(requests_per_second)
    return permits, math.ceil(permits * 1000 / requests_per_second)
