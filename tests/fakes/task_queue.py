"""The messages to workers in memory."""

from collections.abc import Sequence

from reconciliation.ports.fill_windows import DelayedWakeUp
from reconciliation.ports.task_queue import SweepOrder


class MemoryTaskQueue:
    """A `TaskQueue` that keeps what was sent; `error` is raised instead where it is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sweeps: list[SweepOrder] = []
        self.wake_ups: list[DelayedWakeUp] = []
        self.error = error

    def count_sweeps(self) -> int:
        self._reach()
        return len(self.sweeps)

    def send_sweeps(self, orders: Sequence[SweepOrder]) -> None:
        self._reach()
        self.sweeps += orders

    def count_wake_ups(self) -> int:
        self._reach()
        return len(self.wake_ups)

    def send_wake_ups(self, wake_ups: Sequence[DelayedWakeUp]) -> None:
        self._reach()
        self.wake_ups += wake_ups

    def _reach(self) -> None:
        if self.error is not None:
            raise self.error
