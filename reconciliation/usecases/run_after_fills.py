"""The use cases of fills: take them in, run the account once a burst is over, and wake what was forgotten.

When and by whom is decided by the fill windows (a port; `reconciliation.adapters.redis.fill_window`). Every message is
sent after its window was written, so a message that is lost or cannot be sent costs time, never a fill.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from reconciliation.domain.model.models import Outcome, ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.ports.fill_windows import DelayedWakeUp, FillWindows, Finish, FinishOutcome, RunClaim
from reconciliation.ports.task_queue import WakeUpSender
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim

log = logging.getLogger(__name__)


class Reconciles(Protocol):
    """What is needed of `reconciliation.usecases.reconcile.Reconciler`."""

    async def reconcile(self, requests: Sequence[RunRequest]) -> list[ReconciliationResult]: ...

    async def give_up(self, requests: Sequence[RunRequest], reason: str) -> list[ReconciliationResult]: ...


class PostFillRuns:
    """What the countdown task does: run the account if its window is due and the message is not stale."""

    def __init__(self, windows: FillWindows, sender: WakeUpSender, reconciler: Reconciles) -> None:
        self._windows = windows
        self._sender = sender
        self._reconciler = reconciler

    async def run(self, account_id: str, token: str) -> dict[str, Any]:
        """Act on an arrived countdown and return what was done, as JSON.

        Raises:
            CoordinationError: Redis did not say what to do; show the same token again.
        """
        decision = await asyncio.to_thread(self._windows.claim, account_id, token)
        if decision is None:
            return {"did": "dropped"}
        if isinstance(decision, DelayedWakeUp):
            await self._send(decision)
            return {"did": "waited on", "wait_ms": decision.wait_ms}
        request = decision.request()
        try:
            result = await self._reconcile(request)
        except BaseException as error:  # cancelled at the time limit, or a bug: either way nothing was compared
            is_late = isinstance(error, asyncio.CancelledError)
            await self._tell(request, "the run was given up at its time limit" if is_late else "the worker failed")
            await self._end(self._windows.incomplete, decision)
            raise
        is_complete = result is not None and result.outcome is not Outcome.INCOMPLETE
        window = await self._end(self._windows.complete if is_complete else self._windows.incomplete, decision)
        return {
            "did": "ran",
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
            await self._tell(request, str(error))
            return None
        return result

    async def _tell(self, request: RunRequest, reason: str) -> None:
        """Record and publish that the run could not be made, as far as that can be done now: it will be made again."""
        try:
            await self._reconciler.give_up([request], reason)
        except ReconciliationError as error:
            log.warning("run %s of account %s: nobody could be told: %s", request.run_id, request.account_id, error)

    async def _end(self, how: Callable[[str, str], Finish], run: RunClaim) -> str:
        """End the run and return what became of its window."""
        try:
            finish = await asyncio.to_thread(how, run.account_id, run.token)
        except CoordinationError as error:
            log.warning("the window of account %s stays leased; the sweep wakes it: %s", run.account_id, error)
            return "leased"
        if finish.outcome is FinishOutcome.SUPERSEDED:
            log.warning("run %s of account %s ended after its lease: it settled nothing", run.token, run.account_id)
        if finish.wake_up is not None:
            await self._send(finish.wake_up)
        return finish.outcome.value

    async def _send(self, wake_up: DelayedWakeUp) -> None:
        await asyncio.to_thread(send_or_leave_to_reclaim, self._sender, [wake_up])
