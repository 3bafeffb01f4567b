"""`reconciliation.dispatch_due_accounts`: a tick of the schedule, from any number of beats."""

from tasks.base import ReconciliationTask
from tasks.celery import app
from tasks.runtime import runtime


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.dispatch_due_accounts", base=ReconciliationTask, max_retries=0
)
def dispatch_due_accounts() -> dict[str, int]:
    return {"dispatched": runtime().parts.dispatcher.tick()}
