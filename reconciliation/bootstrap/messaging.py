"""Celery: what sends tasks to the workers. Imported when needed, because Celery is slow to import."""

from contextlib import ExitStack
from functools import cached_property

from reconciliation.adapters.celery.task_queue import CeleryTaskQueue
from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.settings import Settings


class Messaging:
    """Builds each sender at its first use, and closes the connections that were opened."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = ExitStack()

    @cached_property
    def task_sender(self) -> TaskSender:
        sender = TaskSender(self._settings)
        self._closing.callback(sender.close)
        return sender

    @cached_property
    def task_queue(self) -> CeleryTaskQueue:
        # Half of the time-out: a message is acknowledged long before it would be delivered again.
        return CeleryTaskQueue(self.task_sender, longest_wait_ms=self._settings.visibility_timeout_seconds * 500)

    def close(self) -> None:
        """Close what was built."""
        self._closing.close()
