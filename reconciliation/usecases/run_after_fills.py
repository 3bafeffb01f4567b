"""Run accounts after bursts of fills.

The fill windows (a port) decide when, and by which worker. Every message is sent after its window was recorded, so a
message that is lost or cannot be sent costs time, never a fill. A wake-up takes the due windows of its connection
along: thousands of accounts that were filled at once are run in a few sweeps.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from reconciliation.domain.model.models import Outcome
from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.ports.broker_reads import TimeBudget
from reconciliation.ports.fill_windows import DelayedWakeUp, FillWindows, Finish, FinishOutcome, RunClaim
from reconciliation.ports.task_queue import TaskQueue
from reconciliation.usecases.reconcile import Reconciler
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim

log = logging.getLogger(__name__)

End = Callable[[Sequence[RunClaim]], list[Finish]]


class PostFillRuns:
    """Runs an account when its wake-up arrives, if its window is due and the message is not stale.

    Args:
        sweep_size: accounts that are run together, at most.
        sweep_seconds: after this time no further account is started.
        should_stop: True when this process must end: no further account is started.
    """

    def __init__(
        self,
        windows: FillWindows,
        tasks: TaskQueue,
        reconciler: Reconciler,
        *,
        sweep_size: int,
        sweep_seconds: float = float("inf"),
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._windows = windows
        self._tasks = tasks
        self._reconciler = reconciler
        self._sweep_size = sweep_size
        self._sweep_seconds = sweep_seconds
        self._should_stop = should_stop

    async def run(self, account_id: str, token: str) -> dict[str, Any]:
        """Act on a wake-up and return what was done, as JSON.

        Raises:
            CoordinationError: Redis did not answer; repeat the call with the same token.
        """
        decision = await asyncio.to_thread(self._windows.claim, account_id, token)
        if isinstance(decision, DelayedWakeUp):
            await self._send([decision])
            return {"action": "rescheduled", "wait_ms": decision.wait_ms}
        runs = {UUID(run.token): run for run in await self._claim_due(account_id, decision)}
        if not runs:
            return {"action": "stale"}
        number = len(runs)
        tally: Counter[str] = Counter()
        try:
            await self._make(runs, tally)
        except ReconciliationError as error:
            log.error("%d post-fill runs could not be recorded: %s", len(runs), error)  # noqa: TRY400
            await self._give_up(runs, str(error), tally)
        except BaseException as error:  # cancelled at the time limit, or a bug: nothing was compared
            is_late = isinstance(error, asyncio.CancelledError)
            await self._give_up(
                runs, "the run was given up at its time limit" if is_late else "the worker failed", tally
            )
            raise
        await self._end(self._windows.release, list(runs.values()), tally)
        return {"action": "ran", "runs": number, **tally}

    async def _claim_due(self, account_id: str, own: RunClaim | None) -> list[RunClaim]:
        """Return the runs to make: the account's own, if there is one, and others that are due.

        A stale message takes others along too: no worker is idle while runs are due. A run in which a worker died
        before is made alone.
        """
        if own is not None and own.crashes:
            return [own]
        runs = [] if own is None else [own]
        try:
            return runs + await asyncio.to_thread(self._windows.claim_due, account_id, self._sweep_size - len(runs))
        except CoordinationError as error:
            log.warning("due accounts beside %s are left to other messages: %s", account_id, error)
            return runs

    async def _make(self, left: dict[UUID, RunClaim], tally: Counter[str]) -> None:
        """Make the runs; those that are still in `left` at the end were not begun."""
        budget = TimeBudget(self._sweep_seconds, self._should_stop)
        requests = [run.request() for run in left.values()]
        async for results in self._reconciler.reconcile_in_groups(requests, budget):
            ended = [(left.pop(result.run_id), result.outcome) for result in results]
            tally.update(outcome.value for _, outcome in ended)
            complete = [run for run, outcome in ended if outcome is not Outcome.INCOMPLETE]
            incomplete = [run for run, outcome in ended if outcome is Outcome.INCOMPLETE]
            await self._end(self._windows.complete, complete, tally)
            await self._end(self._windows.incomplete, incomplete, tally)

    async def _give_up(self, left: dict[UUID, RunClaim], reason: str, tally: Counter[str]) -> None:
        """Record and publish that these could not be made, where that is possible now: they will be made again."""
        runs = list(left.values())
        left.clear()
        tally[Outcome.INCOMPLETE.value] += len(runs)
        try:
            await self._reconciler.give_up([run.request() for run in runs], reason)
        except ReconciliationError as error:
            log.warning("%d post-fill runs could not be recorded: %s", len(runs), error)
        await self._end(self._windows.incomplete, runs, tally)

    async def _end(self, how: End, runs: Sequence[RunClaim], tally: Counter[str]) -> None:
        """End runs, and send the wake-ups of those that are due again."""
        if not runs:
            return
        try:
            finishes = await asyncio.to_thread(how, runs)
        except CoordinationError as error:
            log.warning("%d fill windows stay leased until they are reclaimed: %s", len(runs), error)
            tally["leased"] += len(runs)
            return
        for run, finish in zip(runs, finishes, strict=True):
            if finish.outcome is FinishOutcome.SUPERSEDED:
                log.warning("run %s of account %s ended after its lease: it settled nothing", run.token, run.account_id)
        tally.update(finish.outcome.value for finish in finishes)
        await self._send([finish.wake_up for finish in finishes if finish.wake_up is not None])

    async def _send(self, wake_ups: Sequence[DelayedWakeUp]) -> None:
        await asyncio.to_thread(send_or_leave_to_reclaim, self._tasks, wake_ups)
