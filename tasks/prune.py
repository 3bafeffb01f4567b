"""Deletes old runs and resolved breaks, where the settings say how old is old."""

from datetime import timedelta

from reconciliation.domain.model.runs import utc_now
from tasks.base import ReconciliationTask
from tasks.celery import app
from tasks.runtime import runtime

#: Well within the task's time limit; the next hour goes on.
BATCHES_PER_RUN = 200


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.prune", base=ReconciliationTask, max_retries=0
)
def prune_old() -> dict[str, int]:
    from reconciliation.adapters.database.retention import (  # noqa: PLC0415 - beat loads this module, and has no database
        prune,
    )

    parts = runtime().parts
    days = parts.settings.prune_after_days
    if days is None:
        return {"runs": 0, "breaks": 0}
    pruned = prune(parts.stores.engine, utc_now() - timedelta(days=days), max_batches=BATCHES_PER_RUN)
    return {"runs": pruned.runs, "breaks": pruned.breaks}
