"""Asking a blocking SDK from asyncio: a few threads, and an end to every wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from reconciliation.adapters.brokers.sdk.thread_permits import SdkCall, ThreadPermits, running
from reconciliation.adapters.brokers.sdk.time_limits import PausableTimeout, active_timeouts
from reconciliation.errors import BadData, CoordinationError, ReadError, Unavailable
from reconciliation.ports.broker import RequestPermits

#: Loading an SDK reads a hundred modules and more from disk.
MAX_LOAD_SECONDS = 60.0

Answer = TypeVar("Answer")


class SdkThreads:
    """Runs the blocking calls of one connection, at most `concurrency` at once.

    Args:
        who: the broker, for messages.
        concurrency: how many calls may be under way.
        timeout_seconds: for one call, from the moment that a thread takes it up.
        queue_timeout_seconds: for a free thread; a hung SDK must not make the others wait forever.
        explain: turns what the SDK raised into the error tree; None: not known to it.
        hide: takes secrets out of a message.
    """

    def __init__(
        self,
        *,
        who: str,
        concurrency: int,
        timeout_seconds: float,
        queue_timeout_seconds: float,
        explain: Callable[[Exception], ReadError | None],
        hide: Callable[[str], str],
    ) -> None:
        self._who = who
        self._timeout_seconds = timeout_seconds
        self._queue_timeout_seconds = queue_timeout_seconds
        self._explain = explain
        self._hide = hide
        self._permits = ThreadPermits()
        self._pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix=f"broker-{who}")

    def take_permits_from(self, permits: RequestPermits) -> None:
        """Take a permit for each request from now on."""
        self._permits.take_from(permits)

    def permit(self) -> AbstractContextManager[None]:
        """Wait for a permit to send one request, within a call; without permits, every request may be sent."""
        return self._permits.permit()

    async def load(self, account_id: str, connect: Callable[[], object]) -> None:
        """Run `connect`, which loads the SDK: seconds on a cold disk, and no fault of the broker's."""
        await self._ask(account_id, connect, MAX_LOAD_SECONDS)

    async def ask(self, account_id: str, call: Callable[[], Answer]) -> Answer:
        """Return the answer of `call`, asked in a thread.

        Raises:
            CoordinationError: no permit could be had.
            ReadError: the call failed. It holds no reference to the SDK's own error, for that one's text,
                frames and request hold credentials.
        """
        return await self._ask(account_id, call, self._timeout_seconds)

    async def _ask(self, account_id: str, call: Callable[[], Answer], timeout_seconds: float) -> Answer:
        failure: ReadError | CoordinationError
        try:
            return await self._within_limits(call, timeout_seconds)
        except (ReadError, CoordinationError) as error:
            failure = error
        except TimeoutError:
            failure = Unavailable(f"{self._who} gave no answer within {timeout_seconds:g} s")
        # Raised outside the handler: nothing of the SDK hangs on to the error that travels on.
        raise self._cleaned(failure, account_id)

    def close(self) -> None:
        """Take no more calls. One that is under way ends by its own time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _within_limits(self, call: Callable[[], Answer], timeout_seconds: float) -> Answer:
        loop = asyncio.get_running_loop()
        begun = asyncio.Event()
        limit = PausableTimeout(timeout_seconds)
        asked = SdkCall((*active_timeouts(), limit))

        def run() -> Answer:
            loop.call_soon_threadsafe(begun.set)
            with running(asked):
                return self._answer(call)

        try:
            answer = loop.run_in_executor(self._pool, run)
        except RuntimeError:
            raise Unavailable(f"{self._who} was asked after its connection had been closed") from None
        try:
            await self._wait_for_thread(begun)
            async with limit:
                return await answer
        finally:
            answer.cancel()
            asked.give_up()

    async def _wait_for_thread(self, begun: asyncio.Event) -> None:
        seconds = self._queue_timeout_seconds
        try:
            async with PausableTimeout(seconds):
                with self._permits.queueing(active_timeouts()):
                    await begun.wait()
        except TimeoutError:
            raise Unavailable(
                f"{self._who} has not answered earlier calls: no free thread within {seconds:g} s"
            ) from None

    def _answer(self, call: Callable[[], Answer]) -> Answer:
        """Answer, or raise a `ReadError`: explained in this thread, before the next call changes the transport."""
        try:
            return call()
        except (ReadError, CoordinationError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001  an SDK may raise anything; only its kind is safe to show
            failure = self._explain(error) or BadData(
                f"{self._who} answered with what its SDK could not read ({type(error).__name__})"
            )
        raise failure

    def _cleaned(self, error: ReadError | CoordinationError, account_id: str) -> ReadError | CoordinationError:
        error.args = (self._hide(str(error)),)
        if isinstance(error, ReadError):
            error.account_id = error.account_id or account_id
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
