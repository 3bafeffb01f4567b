"""`reconciliation.reclaim_fill_windows`: beat's tick that wakes the windows whose worker or message was lost."""

from reconciliation.adapters.celery.wake_up_sender import QUEUE
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows as sweep
from tasks.base import require_schema
from tasks.celery import app
from tasks.runtime import runtime


@app.task(name="reconciliation.reclaim_fill_windows", max_retries=0)  # type: ignore[untyped-decorator]
def reclaim_fill_windows(schema: int = 1) -> dict[str, int]:
    require_schema(schema)
    parts = runtime().parts
    queued = parts.messaging.task_sender.count_queued(QUEUE)
    limit = parts.settings.fill_reclaim_limit
    return {"woken": sweep(parts.coordination.fill_windows, parts.messaging.wake_up_sender, limit=limit, queued=queued)}
