"""`reconciliation.check_missed_slots`: reports accounts whose runs stopped."""

from reconciliation.domain.model.runs import utc_now
from reconciliation.messages.tasks import CHECK_MISSED_SLOTS
from tasks.base import task
from tasks.runtime import runtime


@task(CHECK_MISSED_SLOTS)
def check_missed_slots() -> dict[str, int]:
    return {"missed": runtime().parts.stores.missed_slots.check(utc_now())}
