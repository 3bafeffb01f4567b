"""`reconciliation.dispatch_due_accounts`: a tick of the schedule, from any number of beats."""

import socket

from reconciliation.messages.tasks import DISPATCH_DUE_ACCOUNTS
from reconciliation.operations.heartbeats import TICK
from tasks.base import task
from tasks.runtime import runtime


@task(DISPATCH_DUE_ACCOUNTS)
def dispatch_due_accounts() -> dict[str, int]:
    parts = runtime().parts
    dispatched = parts.dispatcher.tick()
    parts.coordination.heartbeats.record(TICK, socket.gethostname())
    return {"dispatched": dispatched}
