"""Sends tasks from our own package: the command line, beat's dispatcher, a service that imports us.

A service that does not import this package needs none of it: docs/sending.md shows plain Celery.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import redis
from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from reconciliation.errors import CoordinationError
from reconciliation.settings import Settings
from reconciliation.support.worker_files import CONFIG_SOURCE

#: Messages of one pipeline to Redis: few round trips, and no reply that is megabytes long.
BATCH_SIZE = 500


@dataclass(frozen=True, kw_only=True)
class TaskMessage:
    """One task that is to be sent. Names and arguments are public: see docs/sending.md."""

    name: str
    kwargs: Mapping[str, Any]
    queue: str
    #: Makes the message the same one when it is sent again. None: a new one.
    task_id: str | None = None
    countdown_seconds: float | None = None
    #: What Flower and `celery inspect` show as its arguments. None: Celery writes it, slowly where they are many.
    shown_as: str | None = None
    #: Whether a caller may wait for the task's result.
    is_awaited: bool = True


class TaskSender:
    """Sends tasks to the Redis of the given settings. Safe in threads; not to be shared across a fork."""

    def __init__(self, settings: Settings) -> None:
        self._address = settings.celery_address
        self._app = Celery("reconciliation.sender", set_as_current=False)
        self._app.config_from_object(CONFIG_SOURCE)
        url = settings.celery_url.get_secret_value()
        limits = {
            "global_keyprefix": settings.celery_key_prefix,
            "visibility_timeout": settings.visibility_timeout_seconds,
        }
        self._app.conf.update(
            broker_url=url,
            result_backend=url,
            broker_transport_options=self._app.conf.broker_transport_options | limits,
            result_backend_transport_options=self._app.conf.result_backend_transport_options | limits,
        )

    def send(
        self,
        name: str,
        kwargs: Mapping[str, Any],
        *,
        queue: str,
        countdown_seconds: float | None = None,
        task_id: str | None = None,
    ) -> str:
        """Send one task and return its id.

        Raises:
            CoordinationError: Redis took nothing within its time-outs.
        """
        message = TaskMessage(
            name=name,
            kwargs=kwargs,
            queue=queue,
            task_id=task_id or str(uuid4()),
            countdown_seconds=countdown_seconds,
        )
        return self.send_many([message])[0]

    def send_many(self, messages: Sequence[TaskMessage]) -> list[str]:
        """Send tasks in pipelines of `BATCH_SIZE` and return their ids, in order.

        Raises:
            CoordinationError: Redis failed; some of the messages may have been sent.
        """
        try:
            with self._app.producer_or_acquire() as producer, producer.batch(max_size=BATCH_SIZE):
                declared: set[str] = set()
                return [self._publish(message, producer, declared) for message in messages]
        except OperationalError as error:
            raise CoordinationError(
                f"no task could be sent: Redis at {self._address} cannot be reached; "
                f"check that it runs and that RECONCILIATION_REDIS_URL is right ({_reason(error)})"
            ) from error

    def result_of(self, task_id: str) -> AsyncResult:
        """Return Celery's own view of a task: waiting, started, failed, done."""
        return self._app.AsyncResult(task_id)

    def count_queued(self, queue: str) -> int:
        """Return how many messages of a queue no worker has fetched yet.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        try:
            with self._app.connection_or_acquire() as connection:
                channel = connection.default_channel
                return int(self._app.amqp.queues[queue].bind(channel).queue_declare().message_count)
        except (OperationalError, redis.RedisError, OSError) as error:
            raise CoordinationError(f"Redis at {self._address} cannot be reached ({_reason(error)})") from error

    def state_of(self, task: AsyncResult) -> str:
        """Return Celery's word for how far the task is: PENDING (nothing is known), STARTED, RETRY, SUCCESS, FAILURE.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        try:
            return str(task.state)
        except (OperationalError, redis.RedisError) as error:
            raise CoordinationError(f"Redis at {self._address} cannot be reached ({_reason(error)})") from error

    def count_workers(self, timeout_seconds: float) -> int:
        """Return how many workers answer within `timeout_seconds`.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        try:
            return len(self._app.control.ping(timeout=timeout_seconds))
        except (OperationalError, redis.RedisError) as error:
            raise CoordinationError(f"Redis at {self._address} cannot be reached ({_reason(error)})") from error

    def served_queues(self, timeout_seconds: float) -> Mapping[str, frozenset[str]]:
        """Return the queues that each worker serves, of the workers that answer within `timeout_seconds`.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        try:
            answers = self._app.control.inspect(timeout=timeout_seconds).active_queues() or {}
        except (OperationalError, redis.RedisError) as error:
            raise CoordinationError(f"Redis at {self._address} cannot be reached ({_reason(error)})") from error
        return {worker: frozenset(queue["name"] for queue in queues) for worker, queues in answers.items()}

    def close(self) -> None:
        """Close every connection."""
        self._app.close()

    def _publish(self, message: TaskMessage, producer: Any, declared: set[str]) -> str:
        sent = self._app.send_task(
            message.name,
            kwargs=dict(message.kwargs),
            queue=message.queue,
            task_id=message.task_id,
            countdown=message.countdown_seconds,
            producer=producer,
            argsrepr="()",
            kwargsrepr=message.shown_as,
            # Else Celery subscribes to each task's result, one round trip a message.
            ignore_result=not message.is_awaited,
            # Once for a batch: Celery would look at the queue's declaration again for every message.
            declare=[] if message.queue in declared else None,
        )
        declared.add(message.queue)
        return str(sent.id)


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
