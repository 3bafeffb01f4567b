"""Permits for the threads of a blocking SDK: each request waits in its thread until the event loop has one for it."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack, contextmanager, suppress
from contextvars import ContextVar

from reconciliation.adapters.brokers.sdk.time_limits import PausableTimeout, paused
from reconciliation.errors import Unavailable
from reconciliation.ports.broker import RequestPermits

#: A thread that waits looks so often whether its event loop is still there.
LOOK_SECONDS = 1.0


class SdkCall:
    """A call that a thread is about to answer. Made and given up in the event loop that waits for it.

    Args:
        limits: what pauses while one of its requests waits for a permit.
    """

    def __init__(self, limits: Sequence[PausableTimeout]) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = limits
        self.is_given_up = False
        #: Its requests that wait for a permit; touched in the event loop only.
        self.waiting: set[asyncio.Task[None]] = set()

    def give_up(self) -> None:
        """Let it send no request any more. One that is under way keeps its permit to its end."""
        self.is_given_up = True
        for task in self.waiting:
            task.cancel()


_answered: ContextVar[SdkCall | None] = ContextVar("call that this thread answers", default=None)


@contextmanager
def running(call: SdkCall) -> Iterator[None]:
    """Send the requests of the block for this call. In the call's thread."""
    before = _answered.set(call)
    try:
        yield
    finally:
        _answered.reset(before)


class ThreadPermits:
    """The permits of one connection, for the threads that answer its calls."""

    def __init__(self) -> None:
        self._permits: RequestPermits | None = None
        self._queue = _ThreadQueue()

    def take_from(self, permits: RequestPermits) -> None:
        """Take a permit for each request from now on."""
        self._permits = permits

    @contextmanager
    def queueing(self, limits: Sequence[PausableTimeout]) -> Iterator[None]:
        """Let limits of a call that has no thread yet pause, too, while a thread waits for a permit."""
        self._queue.join(limits)
        try:
            yield
        finally:
            self._queue.leave(limits)

    @contextmanager
    def permit(self) -> Iterator[None]:
        """Wait for a permit and hold it to the end of the block. In the thread of a call.

        Raises:
            Unavailable: the caller has stopped waiting, so the request must not be sent.
            CoordinationError: it is unknown whether the broker may be asked.
        """
        call = _answered.get()
        if self._permits is None or call is None:
            yield
            return
        if call.loop.is_closed():
            raise _given_up()
        granted: Future[None] = Future()
        ended = asyncio.Event()
        asyncio.run_coroutine_threadsafe(self._hold(self._permits, call, granted, ended), call.loop)
        _wait(granted, call.loop)
        try:
            yield
        finally:
            with suppress(RuntimeError):  # the event loop is closed, and what it held has gone with it
                call.loop.call_soon_threadsafe(ended.set)

    async def _hold(
        self, permits: RequestPermits, call: SdkCall, granted: "Future[None]", ended: asyncio.Event
    ) -> None:
        try:
            async with AsyncExitStack() as held:
                await self._take(permits, call, held)
                granted.set_result(None)
                await ended.wait()
        except asyncio.CancelledError:
            if not granted.done():
                granted.set_exception(_given_up())
            raise
        except Exception as error:  # noqa: BLE001  whatever the limiter raises belongs to the thread that waits
            if not granted.done():
                granted.set_exception(error)

    async def _take(self, permits: RequestPermits, call: SdkCall, held: AsyncExitStack) -> None:
        task = asyncio.current_task()
        if call.is_given_up or task is None:
            raise _given_up()
        call.waiting.add(task)
        try:
            with paused(call.limits), self._queue.waiting():
                await held.enter_async_context(permits.permit())
        finally:
            call.waiting.discard(task)


class _ThreadQueue:
    """The limits of calls that wait for a thread. In the event loop only."""

    def __init__(self) -> None:
        self._limits: list[PausableTimeout] = []
        #: How many threads wait for a permit.
        self._waits = 0

    def join(self, limits: Sequence[PausableTimeout]) -> None:
        self._limits += limits
        if self._waits:
            _pause(limits)

    def leave(self, limits: Sequence[PausableTimeout]) -> None:
        for limit in limits:
            self._limits.remove(limit)
        if self._waits:
            _resume(limits)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._waits += 1
        if self._waits == 1:
            _pause(self._limits)
        try:
            yield
        finally:
            self._waits -= 1
            if not self._waits:
                _resume(self._limits)


def _pause(limits: Sequence[PausableTimeout]) -> None:
    for limit in limits:
        limit.pause()


def _resume(limits: Sequence[PausableTimeout]) -> None:
    for limit in limits:
        limit.resume()


def _wait(granted: "Future[None]", loop: asyncio.AbstractEventLoop) -> None:
    while not wait([granted], timeout=LOOK_SECONDS).done:
        if loop.is_closed():
            raise _given_up()
    granted.result()


def _given_up() -> Unavailable:
    return Unavailable("the call was given up before its request was sent")
