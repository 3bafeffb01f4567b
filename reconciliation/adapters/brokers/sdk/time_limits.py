"""Read time-outs that pause while the read waits for the rate limiter: that wait says nothing about the broker."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self, TypeVar

from reconciliation.errors import Unavailable

Answer = TypeVar("Answer")


class PausableTimeout:
    """Like `asyncio.timeout`, for one `async with`; all limits around a wait for a permit pause together."""

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(None)
        self._seconds_left = seconds
        self._is_entered = False
        #: How many waits hold it.
        self._waits = 0

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._is_entered = True
        self._around = _around.set((*_around.get(), self))
        if not self._waits:
            self._run()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_entered = False
        _around.reset(self._around)
        # It raises TimeoutError in place of the cancellation that it made.
        await self._timeout.__aexit__(kind, error, trace)

    def is_over(self) -> bool:
        return self._timeout.expired()

    def pause(self) -> None:
        """Stand still until each `pause` has had its `resume`. In the event loop of the limit only."""
        self._waits += 1
        ends_at = self._timeout.when()
        if self._waits == 1 and ends_at is not None and self._is_changeable():
            self._seconds_left = ends_at - asyncio.get_running_loop().time()
            self._timeout.reschedule(None)

    def resume(self) -> None:
        self._waits -= 1
        if self._waits == 0 and self._is_changeable():
            self._run()

    def _run(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds_left)

    def _is_changeable(self) -> bool:
        return self._is_entered and not self._timeout.expired()


_around: ContextVar[tuple[PausableTimeout, ...]] = ContextVar("time limits around", default=())


def active_timeouts() -> tuple[PausableTimeout, ...]:
    """Return the limits that the running code is within."""
    return _around.get()


@contextmanager
def paused(limits: Sequence[PausableTimeout]) -> Iterator[None]:
    """Let time limits pause during the block."""
    for limit in limits:
        limit.pause()
    try:
        yield
    finally:
        for limit in limits:
            limit.resume()


async def within(seconds: float, answer: Awaitable[Answer], account_id: str | None = None) -> Answer:
    """Await `answer`; no answer in time is `Unavailable`. Waiting for permits is not part of the time."""
    limit = PausableTimeout(seconds)
    try:
        async with limit:
            return await answer
    except TimeoutError:
        if not limit.is_over():
            raise
        raise Unavailable(f"the broker gave no answer within {seconds:g} s", account_id=account_id) from None
