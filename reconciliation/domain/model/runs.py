"""A run: what is requested, under which lease, and when it began."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from uuid import UUID, uuid4


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """When a run began: by the calendar for the record, by the monotonic clock for its duration."""

    timestamp: datetime
    started: float
    clock: Callable[[], float]

    @classmethod
    def now(cls, calendar: Callable[[], datetime] = utc_now, clock: Callable[[], float] = monotonic) -> "RunStart":
        return cls(timestamp=calendar(), started=clock(), clock=clock)

    def elapsed_ms(self) -> float:
        return round((self.clock() - self.started) * 1000, 3)


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A lease's number: within one scope, a later owner of an account's lease has a higher one."""

    scope: str
    number: int


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One run that is to be made. The run id is fixed when the run is requested, so that a retry is the same run."""

    account_id: str
    context: dict[str, Any]
    run_id: UUID = field(default_factory=uuid4)
    #: The lease under which it is made; the ledger refuses to apply it once another worker has taken that lease.
    fence: Fence | None = None
