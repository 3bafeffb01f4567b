"""Tells of accounts whose runs stopped."""

from reconciliation.domain.model.runs import utc_now
from tasks.base import ReconciliationTask
from tasks.celery import app
from tasks.runtime import runtime


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.check_missed_slots", base=ReconciliationTask, max_retries=0
)
def check_missed_slots() -> dict[str, int]:
    return {"missed": runtime().parts.stores.missed_slots.check(utc_now())}
