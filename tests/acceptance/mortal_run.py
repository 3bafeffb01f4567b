"""Makes one sweep as a worker does, in a process of its own that kills itself with SIGKILL at a step.

The killing is wrapped around the parts from outside; the product knows nothing of it.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from reconciliation.adapters.database import ledger, outbox
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.runs import RunRequest
from reconciliation.settings import Settings

#: In the order in which a run passes them.
STEPS = (
    "read, not recorded",
    "recorded, not committed",
    "committed, not published",
    "published in part",
    "published, not forgotten",
    "forgotten, not committed",
    "events told, results not",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(call: Callable[..., Any]) -> Callable[..., Any]:
    del call
    return lambda *_given, **_named: die()


def after(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> None:
        call(*given, **named)
        die()

    return wrapped


def in_part(publish: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(self: RedisEventStream, events: Sequence[Any]) -> None:
        publish(self, events[: len(events) // 2 + 1])
        die()

    return wrapped


def arm(step: str, parts: Bootstrap) -> None:
    """Make the process die at `step`."""
    reconciler = parts.reconciler
    places: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
        STEPS[0]: (ledger.SqlLedger, "record", before),
        STEPS[1]: (ledger, "_write", after),
        STEPS[2]: (ledger.SqlLedger, "record", after),
        STEPS[3]: (RedisEventStream, "publish", in_part),
        STEPS[4]: (RedisEventStream, "publish", after),
        STEPS[5]: (outbox, "forget_events", after),
        STEPS[6]: (type(reconciler._publisher), "publish", before),
    }
    holder, name, way = places[step]
    setattr(holder, name, way(getattr(holder, name)))


def requests_of(run_id: str, account_ids: Sequence[str]) -> list[RunRequest]:
    """Return the runs of one sweep; the same ids whoever makes it, and however often."""
    context = {"trigger": "periodic"}
    return [RunRequest(account_id=name, context=context, run_id=uuid5(UUID(run_id), name)) for name in account_ids]


def sweep(parts: Bootstrap, run_id: str, account_ids: Sequence[str]) -> None:
    parts.run(parts.reconciler.reconcile(requests_of(run_id, account_ids)))


def main(settings: Mapping[str, Any], step: str, run_id: str, account_ids: Sequence[str]) -> None:
    with open_parts(Settings(**settings)) as parts:
        arm(step, parts)
        sweep(parts, run_id, account_ids)
