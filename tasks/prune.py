"""`reconciliation.prune`: deletes old runs and resolved breaks, where the settings say how old is old."""

import logging
from datetime import timedelta

from reconciliation.domain.model.runs import utc_now
from reconciliation.messages.tasks import PRUNE
from tasks.base import task
from tasks.runtime import runtime

logger = logging.getLogger(__name__)

#: Of the task's time limit: well before the soft limit, so that no transaction is cut off.
SHARE_OF_LIMIT = 0.7


@task(PRUNE)
def prune() -> dict[str, int]:
    parts = runtime().parts
    days = parts.settings.prune_after_days
    if not days:
        return {"runs": 0, "breaks": 0}
    before = utc_now() - timedelta(days=days)
    pruned = parts.stores.prune(before, limit_seconds=parts.settings.task_time_limit_seconds * SHARE_OF_LIMIT)
    oldest = parts.stores.oldest_run_at()
    if oldest is not None and oldest < before:
        logger.warning(
            "retention is behind: the oldest run is of %s, and %s runs were deleted in this hour's time; "
            "run `reconcile prune`, which has no time limit",
            oldest.isoformat(),
            pruned.runs,
        )
    return {"runs": pruned.runs, "breaks": pruned.breaks}
