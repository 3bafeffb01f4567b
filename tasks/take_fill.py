"""`reconciliation.take_fill`: a fill, reported by a service that does not have this package."""

from typing import Any

from reconciliation.messages.fills import parse_fill_message
from reconciliation.messages.tasks import TAKE_FILL
from tasks.base import task, task_id
from tasks.runtime import runtime


@task(TAKE_FILL)
def take_fill(**message: Any) -> dict[str, Any]:
    fill = parse_fill_message(message)
    # The task's id stays the same over redelivery and retry: the fill is counted once.
    [outcome] = runtime().parts.fill_recorder.record([fill], call_id=task_id())
    return {"account_id": fill.account_id, "outcome": outcome.value}
