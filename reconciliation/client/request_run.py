"""Asking a worker for a run, and waiting for what it says: a result, a failure or a clear time-out."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.redis.listener import ChannelListener
from reconciliation.bootstrap import Bootstrap
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError, ReconciliationError, Unavailable
from reconciliation.messages.runs import DISCREPANCY_CHANNEL, RESULT_CHANNEL
from reconciliation.messages.tasks import RECONCILE_ACCOUNT
from reconciliation.ports.publishing import ChannelMessage
from reconciliation.usecases.run_on_demand import MESSAGE_MS

#: Between two looks at Celery's own view of the task, which knows what the channels don't say.
STATE_INTERVAL_SECONDS = 1.0
#: A run that Celery calls done has published before; its messages are on their way for at most this long.
HEARING_SECONDS = 3.0
RECONNECT_WAIT_SECONDS = 0.5
PING_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class EnqueuedRun:
    """What was heard of a run: the payloads of both channels."""

    result: Mapping[str, Any]
    discrepancies: tuple[Mapping[str, Any], ...]


def request_run(parts: Bootstrap, request: RunRequest, timeout_seconds: float) -> EnqueuedRun:
    """Put a run on the queue, send the message that wakes a worker, and wait for the result.

    Raises:
        ReconciliationError: as `run_through_worker`.
    """
    with ChannelListener(parts.coordination.space, (RESULT_CHANNEL, DISCREPANCY_CHANNEL)) as listener:
        # Recorded first: the message only brings a worker sooner.
        parts.coordination.due_queue.enqueue([request], delay_ms=MESSAGE_MS)
        return run_through_worker(parts.messaging.task_sender, listener, request, timeout_seconds)


def run_through_worker(
    sender: TaskSender,
    listener: ChannelListener,
    request: RunRequest,
    timeout_seconds: float,
) -> EnqueuedRun:
    """Send the task and wait for the run. `listener` is subscribed already, so that no message is missed.

    Raises:
        ReconciliationError: the worker refused, with its own sentence.
        Unavailable: no result within `timeout_seconds`; says whether a worker is there at all.
        CoordinationError: Redis cannot be reached.
    """
    run_id = str(request.run_id)
    kwargs = {"account_id": request.account_id, "context": request.context, "run_id": run_id, "schema": 1}
    sender.send(RECONCILE_ACCOUNT.name, kwargs, queue=RECONCILE_ACCOUNT.queue, task_id=run_id)
    task = sender.result_of(run_id)
    found: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + timeout_seconds
    next_look = time.monotonic() + STATE_INTERVAL_SECONDS
    while (now := time.monotonic()) < deadline:
        message = _listen(listener, min(deadline - now, STATE_INTERVAL_SECONDS))
        if message is not None and message.payload.get("run_id") == run_id:
            if message.channel == RESULT_CHANNEL:
                return EnqueuedRun(result=message.payload, discrepancies=tuple(found))
            if message.channel == DISCREPANCY_CHANNEL:
                found.append(message.payload)
        if now >= next_look:
            next_look = now + STATE_INTERVAL_SECONDS
            state = _state(sender, task)
            if state == "FAILURE":
                raise _refusal(task.result, run_id)
            if state == "SUCCESS":
                deadline = min(deadline, now + HEARING_SECONDS)
    raise Unavailable(_time_out(sender, sender.state_of(task), run_id, timeout_seconds), account_id=request.account_id)


def _state(sender: TaskSender, task: Any) -> str | None:
    with contextlib.suppress(CoordinationError):  # Redis may come back before the time-out
        return sender.state_of(task)
    return None


def _listen(listener: ChannelListener, timeout_seconds: float) -> ChannelMessage | None:
    """Listen; subscribe again after a lost connection. What was missed shows in Celery's view of the task."""
    try:
        return listener.listen(timeout_seconds)
    except CoordinationError:
        time.sleep(min(timeout_seconds, RECONNECT_WAIT_SECONDS))
    with contextlib.suppress(CoordinationError):  # tried again in the next round, until the time-out
        listener.reconnect()
    return None


def _refusal(error: object, run_id: str) -> ReconciliationError:
    if isinstance(error, ReconciliationError):
        return error
    return Unavailable(f"the worker failed in run {run_id}, see its log: {type(error).__name__}: {error}")


def _time_out(sender: TaskSender, state: str, run_id: str, timeout_seconds: float) -> str:
    if state == "SUCCESS":
        return (
            f"the run {run_id} ended, but its result was not heard on {RESULT_CHANNEL}: "
            "check that worker and command use the same RECONCILIATION_REDIS_URL"
        )
    within = f"no result of run {run_id} within {timeout_seconds:g} s"
    if state in ("STARTED", "RETRY"):
        return f"{within}: a worker has begun and may still end it; its result will be on {RESULT_CHANNEL}"
    if sender.count_workers(PING_SECONDS) == 0:
        return f"{within}: no worker answers; start one with `reconcile worker` or `reconcile up`"
    return f"{within}: it waits in queue {RECONCILE_ACCOUNT.queue!r} behind other work, or no worker serves that queue"
