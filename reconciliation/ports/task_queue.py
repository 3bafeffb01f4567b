"""Messages to workers. A message only wakes a worker; what must be done is recorded before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciliation.ports.fill_windows import DelayedWakeUp


@dataclass(frozen=True, kw_only=True)
class SweepOrder:
    """A sweep that a worker is to make: entries of one connection, with the fencing numbers of their claims."""

    connection: str
    claims: Sequence[tuple[str, int]]


class SweepSender(Protocol):
    """Sends sweeps to the workers. Blocking."""

    def count_queued(self) -> int:
        """Return how many sweeps no worker has taken yet."""
        ...

    def send(self, orders: Sequence[SweepOrder], *, expires_seconds: float) -> None:
        """Send them in few round trips."""
        ...


class WakeUpSender(Protocol):
    """Puts countdowns on the queue; many in one go. Raises on failure."""

    def send(self, wake_ups: Sequence[DelayedWakeUp]) -> None: ...
