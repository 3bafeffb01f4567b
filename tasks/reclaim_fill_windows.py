"""`reconciliation.reclaim_fill_windows`: beat's tick that wakes the windows whose worker or message was lost."""

from reconciliation.messages.tasks import FILLS_QUEUE, RECLAIM_FILL_WINDOWS
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows as reclaim
from tasks.base import require_schema, task
from tasks.runtime import runtime


@task(RECLAIM_FILL_WINDOWS)
def reclaim_fill_windows(schema: int = 1) -> dict[str, int]:
    require_schema(schema)
    parts = runtime().parts
    windows, sender = parts.coordination.fill_windows, parts.messaging.wake_up_sender
    queued = parts.messaging.task_sender.count_queued(FILLS_QUEUE)
    return {"woken": reclaim(windows, sender, limit=parts.settings.fill_reclaim_limit, queued=queued)}
