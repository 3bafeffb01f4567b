"""`reconciliation.reclaim_fill_windows`: beat's tick that wakes the windows whose worker or message was lost."""

from reconciliation.messages.tasks import RECLAIM_FILL_WINDOWS
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows as reclaim
from tasks.base import require_schema, task
from tasks.runtime import runtime


@task(RECLAIM_FILL_WINDOWS)
def reclaim_fill_windows(schema: int = 1) -> dict[str, int]:
    require_schema(schema)
    parts = runtime().parts
    windows, messages = parts.coordination.fill_windows, parts.messaging.task_queue
    return {"reclaimed": reclaim(windows, messages, limit=parts.settings.fill_reclaim_limit)}
