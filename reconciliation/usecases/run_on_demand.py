"""Requested runs: recorded in the queue before anything else, so that no lost message or killed worker loses one."""

import asyncio
from contextlib import suppress

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.ports.run_queue import ClaimedRun, RunQueue
from reconciliation.usecases.reconcile import Reconciler

#: Time for a message to bring a worker; afterwards the dispatcher sends the run with a sweep.
MESSAGE_MS = 5_000


class OnDemandRuns:
    """Makes one requested run, unless another worker makes it or made it."""

    def __init__(self, *, queue: RunQueue, reconciler: Reconciler, lease_ms: int) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._lease_ms = lease_ms

    async def make(self, request: RunRequest) -> ReconciliationResult | None:
        """Make the run and return its result; None where a sweep makes it, or it was made.

        Raises:
            CoordinationError, StorageError: the run is released, and comes again by itself.
        """
        started = await asyncio.to_thread(self._start, request)
        if not started:
            return None
        held = [(run.entry, run.fence) for run in started]
        try:
            [result] = await self._reconciler.reconcile([run.request for run in started])
        except BaseException:
            with suppress(CoordinationError):
                await asyncio.shield(asyncio.to_thread(self._queue.release, held, delay_ms=MESSAGE_MS))
            raise
        await asyncio.to_thread(self._queue.complete, held)
        return result

    async def give_up(self, request: RunRequest, error: ReconciliationError) -> ReconciliationResult:
        """Conclude the run as incomplete, and take it out of the queue."""
        [result] = await self._reconciler.give_up([request], str(error))
        with suppress(CoordinationError):
            await asyncio.to_thread(self._drop, request)
        return result

    def _start(self, request: RunRequest) -> list[ClaimedRun]:
        self._queue.enqueue([request], delay_ms=MESSAGE_MS)
        claims = self._queue.claim_by_id([request.run_id], lease_ms=self._lease_ms)
        return self._queue.start([(claim.entry, claim.fence) for claim in claims], lease_ms=self._lease_ms)

    def _drop(self, request: RunRequest) -> None:
        claims = self._queue.claim_by_id([request.run_id], lease_ms=self._lease_ms)
        self._queue.complete([(claim.entry, claim.fence) for claim in claims])
