"""`reconciliation.check_missed_slots`: reports accounts whose runs stopped, and readers that are far behind."""

from reconciliation.messages.tasks import CHECK_MISSED_SLOTS
from tasks.base import task
from tasks.runtime import runtime


@task(CHECK_MISSED_SLOTS)
def check_missed_slots() -> dict[str, int]:
    parts = runtime().parts
    clock = parts.coordination.clock
    clock.refresh()  # the clock by which runs are dated, not this host's
    missed = parts.stores.missed_slots.check(clock.now())
    parts.stores.stream_lag.check(parts.coordination.event_stream.lag(), clock.now())
    return {"missed": missed}
