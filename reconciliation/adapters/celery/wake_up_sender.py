"""Puts the countdowns of fill windows on their queue."""

from collections.abc import Sequence

from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.messages.tasks import RUN_AFTER_FILLS
from reconciliation.ports.fill_windows import DelayedWakeUp


class WakeUpSender:
    """Sends each countdown as a task that a worker holds until it is due."""

    def __init__(self, sender: TaskSender, *, longest_wait_ms: int) -> None:
        """Send by `sender`.

        Args:
            sender: What sends.
            longest_wait_ms: No message waits longer than this, for a message that waits beyond the visibility
                time-out is delivered again and again. One that arrives too early is simply sent on.
        """
        self._sender = sender
        self._longest_wait_ms = longest_wait_ms

    def send(self, wake_ups: Sequence[DelayedWakeUp]) -> None:
        """Send, all in one pipeline. Raises `CoordinationError` where Redis does not take them."""
        self._sender.send_many([self._message(wake_up) for wake_up in wake_ups])

    def _message(self, wake_up: DelayedWakeUp) -> TaskMessage:
        wait_ms = min(wake_up.wait_ms, self._longest_wait_ms)
        return TaskMessage(
            name=RUN_AFTER_FILLS.name,
            kwargs={"account_id": wake_up.account_id, "token": wake_up.token, "schema": 1},
            queue=RUN_AFTER_FILLS.queue,
            countdown_seconds=wait_ms / 1000 if wait_ms else None,
        )
