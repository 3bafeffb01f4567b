"""`reconciliation.verify`: looks whether the ledger is consistent, every hour, and repairs what can be repaired."""

import logging
from typing import Any

from reconciliation.domain.model.runs import utc_now
from reconciliation.messages.tasks import VERIFY
from tasks.base import task
from tasks.runtime import runtime

logger = logging.getLogger(__name__)


@task(VERIFY)
def verify() -> dict[str, Any]:
    found = runtime().parts.stores.verification.verify(utc_now())
    if not found.is_consistent:
        logger.error(
            "the ledger is inconsistent: %s events were queued again, %s breaks differ from their history",
            len(found.requeued),
            len(found.differing),
        )
    return {"breaks": found.breaks, "requeued": len(found.requeued), "differing": len(found.differing)}
