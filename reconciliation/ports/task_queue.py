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


class TaskQueue(Protocol):
    """Sends messages, many in few round trips, and counts those that no worker has taken yet.

    Blocking. Every method raises `CoordinationError` where Redis does not answer; some may have been sent then.
    """

    def count_sweeps(self) -> int: ...
    def send_sweeps(self, orders: Sequence[SweepOrder]) -> None: ...
    def count_wake_ups(self) -> int: ...
    def send_wake_ups(self, wake_ups: Sequence[DelayedWakeUp]) -> None: ...
