"""`reconciliation.dispatch_due_accounts`: a tick of the schedule, from any number of beats."""

from reconciliation.messages.tasks import DISPATCH_DUE_ACCOUNTS
from tasks.base import task
from tasks.runtime import runtime


@task(DISPATCH_DUE_ACCOUNTS)
def dispatch_due_accounts() -> dict[str, int]:
    return {"dispatched": runtime().parts.dispatcher.tick()}
