"""`reconciliation.sweep_accounts`: many accounts of one connection, whose runs are due."""

from typing import Any

from reconciliation.messages.tasks import SWEEP_ACCOUNTS
from tasks import shutdown
from tasks.base import require_schema, task
from tasks.runtime import runtime


@task(SWEEP_ACCOUNTS, max_retries=0)
def sweep_accounts(connection: str, claims: list[list[Any]], schema: int = 1) -> dict[str, int]:
    require_schema(schema)
    del connection  # for a reader of the queue; each account's own is looked up when it is reconciled
    pairs = [(str(entry), int(fence)) for entry, fence in claims]
    return runtime().run(runtime().parts.sweeper(shutdown.is_asked_for).sweep(pairs))
