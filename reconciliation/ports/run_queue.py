"""The port to the queue of runs: enqueued, claimed when due, started, and completed or released, each under a lease."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from reconciliation.domain.model.runs import RunRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An entry that this caller may hand to a worker, until the lease is over."""

    entry: str
    fence: int
    connection: str
    #: How many workers died in a run of this entry.
    crashes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedRun:
    """A run that this caller makes now, until the lease is over."""

    entry: str
    fence: int
    request: RunRequest
    #: 1 for the first. Later ones may find that an earlier one was recorded before its worker died.
    attempt: int
    crashes: int


class RunQueue(Protocol):
    """What is due, who has it, until when.

    Entries are opaque here. A claimed or started entry is named with the fence that came with it; an outdated fence is
    ignored. Blocking. Every method raises `CoordinationError` where Redis does not answer: leases end by themselves.
    """

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0) -> int:
        """Add requested runs, due after `delay_ms`; return how many are new. A known run id is not added again."""
        ...

    def claim(
        self,
        *,
        limit: int,
        share: int,
        lease_ms: int,
        in_flight_limits: Mapping[str, int] | None = None,
    ) -> list[Claim]:
        """Claim due entries: at most `limit`, at most `share` of one connection, within its limit in flight."""
        ...

    def claim_by_id(self, run_ids: Sequence[UUID], *, lease_ms: int) -> list[Claim]:
        """Claim these requested runs if they wait, even before they are due."""
        ...

    def start(self, claims: Iterable[tuple[str, int]], *, lease_ms: int) -> list[ClaimedRun]:
        """Start the runs of these (entry, fence) pairs; leave out those that the caller holds no longer."""
        ...

    def complete(self, runs: Iterable[tuple[str, int]]) -> int:
        """End these runs: an account waits for its next slot. Return how many the caller still held."""
        ...

    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0) -> int:
        """Put these back, due after `delay_ms`; return how many the caller still held."""
        ...

    def requeue_lost(self, *, accounts: int) -> int:
        """Check about this many accounts, the next ones at each call; return how many were missing in the queue."""
        ...
