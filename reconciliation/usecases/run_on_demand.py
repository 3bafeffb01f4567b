"""Asked runs: noted in the due-queue before anything else, so that no lost message and no killed worker loses one."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.ports.run_queue import Claim, ClaimedRun
from reconciliation.usecases.reconcile import Reconciler

#: So long a message may take to bring a worker; then the dispatcher sends the run with a sweep.
MESSAGE_MS = 5_000


class AskedRuns(Protocol):
    """The due-queue, for one asked run. Blocking; every call may raise CoordinationError."""

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0) -> int: ...
    def claim_by_id(self, entries: Sequence[str], *, lease_ms: int) -> list[Claim]: ...
    def begin(self, claims: Iterable[tuple[str, int]], *, lease_ms: int) -> list[ClaimedRun]: ...
    def finish(self, runs: Iterable[tuple[str, int]]) -> int: ...
    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0) -> int: ...


class OnDemandRuns:
    """Makes one asked run, if nobody else has it or had it."""

    def __init__(self, *, queue: AskedRuns, reconciler: Reconciler, lease_ms: int) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._lease_ms = lease_ms

    async def make(self, request: RunRequest) -> ReconciliationResult | None:
        """Make the run and return its result; None where a sweep makes it, or it was made.

        Raises:
            CoordinationError, StorageError: the run is given back, and comes again by itself.
        """
        begun = await asyncio.to_thread(self._begin, request)
        if not begun:
            return None
        held = [(run.entry, run.fence) for run in begun]
        try:
            [result] = await self._reconciler.reconcile([run.request for run in begun])
        except BaseException:
            with suppress(CoordinationError):
                await asyncio.shield(asyncio.to_thread(self._queue.release, held, delay_ms=MESSAGE_MS))
            raise
        await asyncio.to_thread(self._queue.finish, held)
        return result

    async def give_up(self, request: RunRequest, error: ReconciliationError) -> ReconciliationResult:
        """Conclude the run as incomplete; nobody makes it any more."""
        [result] = await self._reconciler.give_up([request], str(error))
        with suppress(CoordinationError):
            await asyncio.to_thread(self._drop, request)
        return result

    def _begin(self, request: RunRequest) -> list[ClaimedRun]:
        self._queue.enqueue([request], delay_ms=MESSAGE_MS)
        picked = self._queue.claim_by_id([f"r:{request.run_id}"], lease_ms=self._lease_ms)
        return self._queue.begin([(claim.entry, claim.fence) for claim in picked], lease_ms=self._lease_ms)

    def _drop(self, request: RunRequest) -> None:
        picked = self._queue.claim_by_id([f"r:{request.run_id}"], lease_ms=self._lease_ms)
        self._queue.finish([(claim.entry, claim.fence) for claim in picked])
