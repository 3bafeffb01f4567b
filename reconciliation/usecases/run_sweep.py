"""One sweep: start the runs of claimed entries, reconcile them together, complete them group by group.

What is not completed when a sweep ends, for any reason, is released; what cannot even be released comes again when its
lease is over.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from reconciliation.errors import CoordinationError
from reconciliation.ports.broker_reads import TimeBudget
from reconciliation.ports.run_ledger import RecordedRuns
from reconciliation.ports.run_queue import ClaimedRun, RunQueue
from reconciliation.usecases.reconcile import Reconciler

logger = logging.getLogger(__name__)


class SweepRunner:
    """Makes the runs of claimed entries.

    Args:
        lease_ms: how long the runs are held; longer than any sweep may take.
        sweep_seconds: after this time no further account is started.
        max_crashes: an entry in whose runs this many workers died is set aside for its slot.
        should_stop: True when this process must end: no further account is started.
    """

    def __init__(
        self,
        *,
        queue: RunQueue,
        reconciler: Reconciler,
        recorded: RecordedRuns | None,
        lease_ms: int,
        sweep_seconds: float,
        max_crashes: int,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._recorded = recorded
        self._lease_ms = lease_ms
        self._sweep_seconds = sweep_seconds
        self._max_crashes = max_crashes
        self._should_stop = should_stop

    async def sweep(self, claims: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Make the runs that are still held; return how many ended with which outcome.

        Raises:
            CoordinationError, StorageError: Redis or the database failed; unfinished entries come again.
        """
        started = await asyncio.to_thread(self._queue.start, claims, lease_ms=self._lease_ms)
        left = {run.request.run_id: run for run in started}
        tally: Counter[str] = Counter()
        try:
            await self._set_aside(left, tally)
            await self._drop_recorded(left, tally)
            budget = TimeBudget(self._sweep_seconds, self._should_stop)
            requests = [run.request for run in left.values()]
            async for results in self._reconciler.reconcile_in_groups(requests, budget):
                await self._complete([left.pop(result.run_id) for result in results])
                tally.update(result.outcome.value for result in results)
        finally:
            if left:
                tally["released"] += len(left)
                await self._release(list(left.values()))
        return dict(tally)

    async def _set_aside(self, left: dict[UUID, ClaimedRun], tally: Counter[str]) -> None:
        poisonous = [run for run in left.values() if run.crashes >= self._max_crashes]
        for run in poisonous:
            reason = f"the run was set aside after {run.crashes} workers died in it: look at this account's data"
            await self._reconciler.give_up([run.request], reason)
            await self._complete([left.pop(run.request.run_id)])
            tally["set_aside"] += 1

    async def _drop_recorded(self, left: dict[UUID, ClaimedRun], tally: Counter[str]) -> None:
        """Complete runs that an earlier attempt had recorded before its worker died."""
        doubtful = [run.request.run_id for run in left.values() if run.attempt > 1]
        if not doubtful or self._recorded is None:
            return
        done = await asyncio.to_thread(self._recorded.recorded, doubtful)
        await self._complete([left.pop(run_id) for run_id in doubtful if run_id in done])
        tally["recorded_before"] += len(done)

    async def _complete(self, runs: Sequence[ClaimedRun]) -> None:
        if runs:
            await asyncio.to_thread(self._queue.complete, [(run.entry, run.fence) for run in runs])

    async def _release(self, runs: Sequence[ClaimedRun]) -> None:
        releasing = asyncio.to_thread(self._queue.release, [(run.entry, run.fence) for run in runs])
        try:
            # Shielded: a sweep that is cancelled at its time limit still releases.
            await asyncio.shield(asyncio.ensure_future(releasing))
        except CoordinationError as error:
            logger.warning("%s accounts come again when their lease is over: %s", len(runs), error)
