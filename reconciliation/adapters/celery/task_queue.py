"""The messages to our own workers as Celery tasks."""

from collections.abc import Sequence

from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.messages.tasks import RUN_AFTER_FILLS, SWEEP_ACCOUNTS
from reconciliation.ports.fill_windows import DelayedWakeUp
from reconciliation.ports.task_queue import SweepOrder


class CeleryTaskQueue:
    """Implements `reconciliation.ports.task_queue.TaskQueue`.

    Args:
        longest_wait_ms: No message waits longer than this: one that waits beyond the visibility time-out is delivered
            again and again. A wake-up that arrives too early is rescheduled.
    """

    def __init__(self, sender: TaskSender, *, longest_wait_ms: int) -> None:
        self._sender = sender
        self._longest_wait_ms = longest_wait_ms

    def count_sweeps(self) -> int:
        """Return how many sweeps no worker has taken yet. Raises `CoordinationError`."""
        return self._sender.count_queued(SWEEP_ACCOUNTS.queue)

    def send_sweeps(self, orders: Sequence[SweepOrder]) -> None:
        """Send them in pipelines. Raises `CoordinationError`; some may have been sent."""
        self._sender.send_many([_sweep(order) for order in orders])

    def count_wake_ups(self) -> int:
        """Return how many wake-ups no worker has taken yet. Raises `CoordinationError`."""
        return self._sender.count_queued(RUN_AFTER_FILLS.queue)

    def send_wake_ups(self, wake_ups: Sequence[DelayedWakeUp]) -> None:
        """Send them in pipelines. Raises `CoordinationError`; some may have been sent."""
        self._sender.send_many([self._wake_up(wake_up) for wake_up in wake_ups])

    def _wake_up(self, wake_up: DelayedWakeUp) -> TaskMessage:
        wait_ms = min(wake_up.wait_ms, self._longest_wait_ms)
        return TaskMessage(
            name=RUN_AFTER_FILLS.name,
            kwargs={"account_id": wake_up.account_id, "token": wake_up.token, "schema": 1},
            queue=RUN_AFTER_FILLS.queue,
            countdown_seconds=wait_ms / 1000 if wait_ms else None,
        )


def _sweep(order: SweepOrder) -> TaskMessage:
    return TaskMessage(
        name=SWEEP_ACCOUNTS.name,
        # Fencing numbers travel as they are: JSON of Python keeps all digits.
        kwargs={"connection": order.connection, "claims": [list(claim) for claim in order.claims]},
        queue=SWEEP_ACCOUNTS.queue,
        shown_as=f"{{'connection': {order.connection!r}, 'claims': {len(order.claims)} of them}}",
        is_awaited=False,
    )
