"""What every task shares: its log context, which errors are tried again, and what happens when trying ends."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from celery import Task
from celery.exceptions import Reject, SoftTimeLimitExceeded

from reconciliation.errors import CoordinationError, InvalidInputError, ReconciliationError, StorageError, Unavailable
from reconciliation.messages.tasks import TASKS, TaskSpec
from reconciliation.support.logs import log_context
from tasks.celery import app
from tasks.runtime import runtime

logger = logging.getLogger(__name__)

MAX_RETRIES = 6
RETRY_BASE_SECONDS = 1.0
RETRY_CAP_SECONDS = 30.0
#: The shape of the arguments that this version understands. A newer one is refused, never guessed at.
SCHEMA = 1

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def task(
    spec: TaskSpec, *, base: type["ReconciliationTask"] | None = None, max_retries: int | None = None
) -> Callable[[Callable[Arguments, Answer]], Callable[Arguments, Answer]]:
    """Register a function as the task of `spec`. A task that beat sends is not tried again: the next one comes soon."""
    options: dict[str, Any] = {"name": spec.name, "ignore_result": not spec.has_result}
    if base is not None:
        options["base"] = base
    if max_retries is not None or spec.is_scheduled:
        options["max_retries"] = max_retries or 0

    def register(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
        registered: Callable[Arguments, Answer] = app.task(**options)(function)
        return registered

    return register


def task_id() -> str:
    """Return the id of the task under way; it stays the same over every redelivery and retry."""
    return str(app.current_worker_task.request.id)


class ReconciliationTask(Task):  # type: ignore[misc]  # celery has no types
    """Runs a task; tries again, with jitter, what failed because Redis or the database was away."""

    abstract = True
    max_retries = MAX_RETRIES
    #: Our own errors are sentences: logged here once, without a traceback.
    throws = (ReconciliationError,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with log_context(task=self.name, task_id=str(self.request.id)):
            started = time.monotonic()
            try:
                answer = self.run(*args, **kwargs) if self._is_wanted() else {"action": "collapsed"}
            except (CoordinationError, StorageError) as error:
                return self._try_again(error, kwargs)
            except (SoftTimeLimitExceeded, TimeoutError):
                logger.error("given up at the time limit")  # noqa: TRY400 - where it waited means nothing
                return self.give_up(Unavailable("the run was given up at its time limit"), kwargs)
            except ReconciliationError as error:
                logger.error("refused: %s", error)  # noqa: TRY400 - a sentence, not a bug
                raise
            level = logging.DEBUG if self._is_tick() else logging.INFO
            logger.log(level, "done in %.0f ms: %s", (time.monotonic() - started) * 1000, answer)
            return answer

    def give_up(self, error: ReconciliationError, kwargs: dict[str, Any]) -> Any:
        """Return the task's answer after the last try. The default: it has none, and fails."""
        del kwargs
        raise error

    def _is_tick(self) -> bool:
        """Whether beat sends this task every few seconds."""
        return any(spec.every_seconds is not None for spec in TASKS if spec.name == self.name)

    def _is_wanted(self) -> bool:
        """False for a tick where another one of its kind has just begun."""
        spec = next((spec for spec in TASKS if spec.name == self.name and spec.is_scheduled), None)
        if spec is None or self.request.called_directly:
            return True
        return runtime().parts.coordination.ticks.begin(spec.name, spec.collapse_ms)

    def _try_again(self, error: CoordinationError | StorageError, kwargs: dict[str, Any]) -> Any:
        if self.request.called_directly or self.request.retries >= self.max_retries:
            logger.error("given up after %s tries: %s", self.request.retries + 1, error)
            return self.give_up(error, kwargs)
        wait_seconds = retry_wait_seconds(self.request.retries)
        logger.warning("try %s failed, again in %.1f s: %s", self.request.retries + 1, wait_seconds, error)
        try:
            raise self.retry(exc=error, countdown=wait_seconds)
        except Reject:
            # The next try could not be sent: Redis is away. Celery would forget the task here. Requeued, its
            # message stays unacknowledged and comes again when Redis does.
            raise Reject(error, requeue=True) from error


def retry_wait_seconds(tries: int) -> float:
    """Return how long to wait after `tries` failed tries: full jitter, so that many workers don't come at once."""
    return random.uniform(RETRY_BASE_SECONDS, min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** (tries + 1)))  # noqa: S311


def require_schema(schema: int) -> None:
    """Refuse arguments of a shape that this version does not know."""
    if schema != SCHEMA:
        raise InvalidInputError(
            f"schema is {schema!r}, but this worker understands {SCHEMA}: update the workers before their callers"
        )
