"""`reconciliation.prune`: deletes old runs and resolved breaks, where the settings say how old is old."""

from datetime import timedelta

from reconciliation.domain.model.runs import utc_now
from reconciliation.messages.tasks import PRUNE
from tasks.base import task
from tasks.runtime import runtime

#: Well within the task's time limit; the next hour goes on.
BATCHES_PER_RUN = 200


@task(PRUNE)
def prune() -> dict[str, int]:
    parts = runtime().parts
    days = parts.settings.prune_after_days
    if days is None:
        return {"runs": 0, "breaks": 0}
    pruned = parts.stores.prune(utc_now() - timedelta(days=days), max_batches=BATCHES_PER_RUN)
    return {"runs": pruned.runs, "breaks": pruned.breaks}
