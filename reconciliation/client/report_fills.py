"""For a service that has this package and reaches Redis: report a fill in one round trip.

from reconciliation.client.report_fills import report_fill

report_fill("ACC-1", fill)                 # settings from the environment
FillReporter(Settings(...)).report_fill(…) # or explicitly, once per process
"""

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from reconciliation.bootstrap import open_parts
from reconciliation.domain.model.models import OrderFill
from reconciliation.errors import FillRefusedError
from reconciliation.messages.fills import fill_message
from reconciliation.ports.fill_windows import FillOutcome
from reconciliation.settings import Settings, load_settings

Fill = OrderFill | Mapping[str, Any]


class FillReporter:
    """Reports fills. Safe in threads; build it after a fork, and close it at the end."""

    def __init__(self, settings: Settings) -> None:
        self._parts = open_parts(settings)
        self._recorder = self._parts.fill_recorder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._parts.close()

    def report_fill(self, account_id: str, fill: Fill, *, call_id: str | None = None) -> FillOutcome:
        """Report one fill. When this returns `recorded`, a run that begins later will cover it, even after a crash.

        Args:
            account_id: Whose fill it is.
            fill: An `OrderFill`, or a mapping with the fields of the fill schema.
            call_id: Give the same one when you report the same fill again after an error, and it is counted once.

        Raises:
            InvalidInputError: a field cannot be accepted; the message names it.
            FillRefusedError: the account is not registered.
            CoordinationError: Redis did not answer within its time-outs. Report the fill again.
        """
        [outcome] = self._recorder.record([fill_message(account_id, fill)], call_id)
        if outcome is FillOutcome.REFUSED:
            raise FillRefusedError(account_id)
        return outcome

    def report_fills(self, fills: Iterable[tuple[str, Fill]], *, call_id: str | None = None) -> list[FillOutcome]:
        """Report many fills in one round trip; return what became of each, in order.

        A fill that cannot be accepted refuses the whole call before any is recorded; an account that is not
        registered is one `refused` among the answers.

        Raises:
            InvalidInputError: a field cannot be accepted; nothing was recorded.
            CoordinationError: Redis did not answer within its time-outs. Report them all again.
        """
        return self._recorder.record([fill_message(account_id, fill) for account_id, fill in fills], call_id)

    async def report_fill_async(self, account_id: str, fill: Fill, *, call_id: str | None = None) -> FillOutcome:
        """As `report_fill`, without blocking the event loop."""
        return await asyncio.to_thread(self.report_fill, account_id, fill, call_id=call_id)

    async def report_fills_async(
        self, fills: Iterable[tuple[str, Fill]], *, call_id: str | None = None
    ) -> list[FillOutcome]:
        """As `report_fills`, without blocking the event loop."""
        return await asyncio.to_thread(self.report_fills, list(fills), call_id=call_id)

    # The older names of the same methods.
    enqueue_fill = report_fill
    enqueue_fills = report_fills
    enqueue_fill_async = report_fill_async
    enqueue_fills_async = report_fills_async


_lock = threading.Lock()
_reporter: tuple[int, FillReporter] | None = None


def default_reporter() -> FillReporter:
    """Return this process's reporter, built from the environment at its first use and again after a fork."""
    global _reporter  # noqa: PLW0603 - one for each process is the meaning of it
    with _lock:
        if _reporter is None or _reporter[0] != os.getpid():
            _reporter = (os.getpid(), FillReporter(load_settings()))
        return _reporter[1]


def close_default_reporter() -> None:
    """Close this process's reporter, if there is one."""
    global _reporter
    with _lock:
        closing, _reporter = _reporter, None
    if closing is not None and closing[0] == os.getpid():
        closing[1].close()


def report_fill(account_id: str, fill: Fill, *, call_id: str | None = None) -> FillOutcome:
    """As `FillReporter.report_fill`, with the settings of the environment."""
    return default_reporter().report_fill(account_id, fill, call_id=call_id)


def report_fills(fills: Iterable[tuple[str, Fill]], *, call_id: str | None = None) -> list[FillOutcome]:
    """As `FillReporter.report_fills`, with the settings of the environment."""
    return default_reporter().report_fills(fills, call_id=call_id)


async def report_fill_async(account_id: str, fill: Fill, *, call_id: str | None = None) -> FillOutcome:
    """As `FillReporter.report_fill_async`, with the settings of the environment."""
    return await default_reporter().report_fill_async(account_id, fill, call_id=call_id)


async def report_fills_async(fills: Iterable[tuple[str, Fill]], *, call_id: str | None = None) -> list[FillOutcome]:
    """As `FillReporter.report_fills_async`, with the settings of the environment."""
    return await default_reporter().report_fills_async(fills, call_id=call_id)


# The older names of the same functions.
enqueue_fill = report_fill
enqueue_fills = report_fills
enqueue_fill_async = report_fill_async
enqueue_fills_async = report_fills_async
