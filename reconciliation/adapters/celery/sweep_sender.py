"""Sweeps as Celery messages."""

from collections.abc import Sequence

from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.messages.tasks import SWEEP_ACCOUNTS
from reconciliation.ports.task_queue import SweepOrder


class TaskSweepSender:
    """Implements `reconciliation.ports.task_queue.SweepSender`."""

    def __init__(self, sender: TaskSender) -> None:
        self._sender = sender

    def count_queued(self) -> int:
        """Return how many sweeps no worker has taken yet.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        return self._sender.count_queued(SWEEP_ACCOUNTS.queue)

    def send(self, orders: Sequence[SweepOrder], *, expires_seconds: float) -> None:
        """Send them in pipelines.

        Raises:
            CoordinationError: Redis failed; some of the sweeps may have been sent.
        """
        self._sender.send_many(
            [
                TaskMessage(
                    name=SWEEP_ACCOUNTS.name,
                    # Fencing numbers travel as they are: JSON of Python keeps all digits.
                    kwargs={"connection": order.connection, "claims": [list(claim) for claim in order.claims]},
                    queue=SWEEP_ACCOUNTS.queue,
                    expires_seconds=expires_seconds,
                    shown_as=f"{{'connection': {order.connection!r}, 'claims': {len(order.claims)} of them}}",
                    is_awaited=False,
                )
                for order in orders
            ]
        )
