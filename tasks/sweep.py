"""`reconciliation.sweep_accounts`: many accounts of one connection, whose runs are due."""

from typing import Any

from tasks import shutdown
from tasks.base import ReconciliationTask, require_schema
from tasks.celery import app
from tasks.runtime import runtime


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.sweep_accounts", base=ReconciliationTask, max_retries=0
)
def sweep_accounts(connection: str, claims: list[list[Any]], schema: int = 1) -> dict[str, int]:
    require_schema(schema)
    del connection  # for whoever looks at the queue; each account's own is asked for when it is reconciled
    pairs = [(str(entry), int(fence)) for entry, fence in claims]
    return runtime().run(runtime().parts.sweeper(shutdown.is_asked_for).sweep(pairs))
