"""The port to the due-queue: runs that are due are claimed, begun, and finished or given back, each under a lease."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciliation.domain.model.runs import RunRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """An entry that this caller may hand to a worker, until the lease is over."""

    entry: str
    fence: int
    connection: str
    #: How often a run of this entry began and never came to an end.
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
    """What is due, who has it, until when. Blocking. Every call may raise CoordinationError; what was held lapses."""

    def claim(
        self,
        *,
        limit: int,
        share: int,
        lease_ms: int,
        in_flight_limits: Mapping[str, int] | None = None,
        default_in_flight_limit: int = ...,
    ) -> list[Claim]: ...

    def begin(self, claims: Iterable[tuple[str, int]], *, lease_ms: int) -> list[ClaimedRun]: ...

    def finish(self, runs: Iterable[tuple[str, int]]) -> int: ...

    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0) -> int: ...

    def requeue_lost(self, *, accounts: int) -> int: ...
