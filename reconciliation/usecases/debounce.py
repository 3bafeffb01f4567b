"""The fill window inside one asyncio program: a trailing debounce with a ceiling, for one account.

The same rules as the workers' fill window in Redis, but not durable: pending fills die with the process, and the
startup run of the next process covers them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from reconciliation.domain.model.fill_times import FillTimes, due_at
from reconciliation.domain.model.models import OrderFill, Outcome, ReconciliationConfig, ReconciliationResult, Trigger

log = logging.getLogger(__name__)

#: Wait after the first, second, ... incomplete post-fill run in a row: doubled each time, up to the longest.
FIRST_BACKOFF_SECONDS = FillTimes.backoff_ms / 1000
LONGEST_BACKOFF_SECONDS = FillTimes.max_backoff_ms / 1000


@dataclass
class _Window:
    """Fills that no run has covered yet; times are the event loop's."""

    first_at: float
    last_at: float
    last_fill: OrderFill
    fill_count: int = 0

    def context(self) -> dict[str, Any]:
        return {
            "trigger": Trigger.POST_FILL.value,
            "order_id": self.last_fill.order_id,
            "fill_id": self.last_fill.fill_id,
            "symbol": self.last_fill.symbol,
            "fill_count": self.fill_count,
        }


class FillDebounce:
    """Turns bursts of fills into runs: due the delay after the last fill, never later than the ceiling after the first.

    A fill during a run opens a new window; a run is never cancelled by a fill. An incomplete run covers no fill.
    """

    def __init__(
        self,
        config: ReconciliationConfig,
        reconcile: Callable[[dict[str, Any]], Awaitable[ReconciliationResult]],
    ) -> None:
        self._config = config
        self._reconcile = reconcile
        self._window: _Window | None = None
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._running = False
        self._stopped = False

    def record(self, fill: OrderFill) -> None:
        """Record a fill; returns at once."""
        self._stopped = False
        now = asyncio.get_running_loop().time()
        window = self._window
        if window is None:
            window = self._window = _Window(first_at=now, last_at=now, last_fill=fill)
        window.last_at, window.last_fill = now, fill
        window.fill_count += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run_windows(), name=f"post-fill {self._config.account_id}")

    async def stop(self) -> None:
        """Drop a window whose run has not begun; let a run in progress end."""
        self._stopped = True
        self._window = None
        if self._task is None:
            return
        if not self._running:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run_windows(self) -> None:
        backoff_seconds = FIRST_BACKOFF_SECONDS
        while await self._wait_until_due():
            window, self._window = self._window, None
            if window is None or not self._config.enabled:
                return
            if await self._completes(window):
                backoff_seconds, self._not_before = FIRST_BACKOFF_SECONDS, 0.0
                continue
            if self._stopped:
                return
            self._not_before = asyncio.get_running_loop().time() + backoff_seconds
            self._reopen(window)
            backoff_seconds = min(2 * backoff_seconds, LONGEST_BACKOFF_SECONDS)

    async def _wait_until_due(self) -> bool:
        loop = asyncio.get_running_loop()
        while self._window is not None:
            left_seconds = self._due_at(self._window) - loop.time()
            if left_seconds <= 0:
                return True
            await asyncio.sleep(left_seconds)
        return False

    async def _completes(self, window: _Window) -> bool:
        self._running = True
        try:
            result = await self._reconcile(window.context())
        except Exception:
            log.exception("post-fill run of account %s failed; its fills stay pending", self._config.account_id)
            return False
        finally:
            self._running = False
        return result.outcome is not Outcome.INCOMPLETE

    def _due_at(self, window: _Window) -> float:
        return due_at(
            first=window.first_at,
            last=window.last_at,
            delay=self._config.post_fill_delay_seconds,
            max_wait=self._config.post_fill_max_wait_seconds,
            not_before=self._not_before,
        )

    def _reopen(self, window: _Window) -> None:
        """Put back what an incomplete run did not settle, together with what came meanwhile."""
        newer = self._window
        if newer is None:
            self._window = window
            return
        newer.first_at = window.first_at
        newer.fill_count += window.fill_count
