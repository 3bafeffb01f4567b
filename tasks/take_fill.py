"""`reconciliation.take_fill`: a fill, reported by a service that does not have this package."""

from typing import Any

from reconciliation.messages.fills import parse_fill_message
from tasks.base import ReconciliationTask
from tasks.celery import app
from tasks.runtime import runtime


@app.task(name="reconciliation.take_fill", bind=True, ignore_result=False)  # type: ignore[untyped-decorator]
def take_fill(self: ReconciliationTask, **message: Any) -> dict[str, Any]:
    fill = parse_fill_message(message)
    # The task's id stays the same over redelivery and retry: the fill is counted once.
    [outcome] = runtime().parts.fill_recorder.record([fill], call_id=self.request.id)
    return {"account_id": fill.account_id, "outcome": outcome.value}
