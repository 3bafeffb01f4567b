"""Repairs what a crash left between a commit and its publishing: events, and confirmation runs."""

from tasks.base import ReconciliationTask
from tasks.celery import app
from tasks.runtime import runtime


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.relay_events", base=ReconciliationTask, max_retries=0
)
def relay_events() -> dict[str, int]:
    return {"published": runtime().parts.run_follow_up.repair()}
