"""Run an account after a burst of fills.

The fill windows (a port) decide when, and by which worker. Every message is sent after its window was recorded, so a
message that is lost or cannot be sent costs time, never a fill.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from reconciliation.domain.model.models import Outcome, ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.ports.fill_windows import DelayedWakeUp, FillWindows, Finish, FinishOutcome, RunClaim
from reconciliation.ports.task_queue import TaskQueue
from reconciliation.usecases.reconcile import Reconciler
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim

log = logging.getLogger(__name__)


class PostFillRuns:
    """Runs an account when its wake-up arrives, if its window is due and the message is not stale."""

    def __init__(self, windows: FillWindows, tasks: TaskQueue, reconciler: Reconciler) -> None:
        self._windows = windows
        self._tasks = tasks
        self._reconciler = reconciler

    async def run(self, account_id: str, token: str) -> dict[str, Any]:
        """Act on a wake-up and return what was done, as JSON.

        Raises:
            CoordinationError: Redis did not answer; repeat the call with the same token.
        """
        decision = await asyncio.to_thread(self._windows.claim, account_id, token)
        if decision is None:
            return {"action": "stale"}
        if isinstance(decision, DelayedWakeUp):
            await self._send(decision)
            return {"action": "rescheduled", "wait_ms": decision.wait_ms}
        request = decision.request()
        try:
            result = await self._reconcile(request)
        except BaseException as error:  # cancelled at the time limit, or a bug: nothing was compared
            is_late = isinstance(error, asyncio.CancelledError)
            await self._give_up(request, "the run was given up at its time limit" if is_late else "the worker failed")
            await self._end(self._windows.incomplete, decision)
            raise
        is_complete = result is not None and result.outcome is not Outcome.INCOMPLETE
        window = await self._end(self._windows.complete if is_complete else self._windows.incomplete, decision)
        return {
            "action": "ran",
            "run_id": str(request.run_id),
            "outcome": Outcome.INCOMPLETE.value if result is None else result.outcome.value,
            "fill_count": decision.fill_count,
            "window": window,
        }

    async def _reconcile(self, request: RunRequest) -> ReconciliationResult | None:
        """Return the run's result; None for one that could not be recorded or published."""
        try:
            [result] = await self._reconciler.reconcile([request])
        except ReconciliationError as error:
            log.error("run %s of account %s failed: %s", request.run_id, request.account_id, error)  # noqa: TRY400
            await self._give_up(request, str(error))
            return None
        return result

    async def _give_up(self, request: RunRequest, reason: str) -> None:
        """Record and publish that the run could not be made, where that is possible now: it will be made again."""
        try:
            await self._reconciler.give_up([request], reason)
        except ReconciliationError as error:
            log.warning(
                "run %s of account %s could not be recorded as incomplete: %s",
                request.run_id,
                request.account_id,
                error,
            )

    async def _end(self, how: Callable[[str, str], Finish], run: RunClaim) -> str:
        """End the run and return what became of its window."""
        try:
            finish = await asyncio.to_thread(how, run.account_id, run.token)
        except CoordinationError as error:
            log.warning("the window of account %s stays leased until it is reclaimed: %s", run.account_id, error)
            return "leased"
        if finish.outcome is FinishOutcome.SUPERSEDED:
            log.warning("run %s of account %s ended after its lease: it settled nothing", run.token, run.account_id)
        if finish.wake_up is not None:
            await self._send(finish.wake_up)
        return finish.outcome.value

    async def _send(self, wake_up: DelayedWakeUp) -> None:
        await asyncio.to_thread(send_or_leave_to_reclaim, self._tasks, [wake_up])
