"""Puts the countdowns of fill windows on their queue."""

from collections.abc import Sequence

from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.ports.fill_windows import Countdown

TASK = "reconciliation.run_after_fills"
QUEUE = "reconciliation.fills"


class CountdownSender:
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

    def send(self, countdowns: Sequence[Countdown]) -> None:
        """Send, all in one pipeline. Raises `CoordinationError` where Redis does not take them."""
        self._sender.send_many([self._message(countdown) for countdown in countdowns])

    def _message(self, countdown: Countdown) -> TaskMessage:
        wait_ms = min(countdown.wait_ms, self._longest_wait_ms)
        return TaskMessage(
            name=TASK,
            kwargs={"account_id": countdown.account_id, "token": countdown.token, "schema": 1},
            queue=QUEUE,
            countdown_seconds=wait_ms / 1000 if wait_ms else None,
        )
