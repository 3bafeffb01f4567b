"""`reconciliation.run_after_fills`: the wake-up of a fill window; it runs the account, and others that are due."""

from typing import Any

from reconciliation.messages.tasks import RUN_AFTER_FILLS
from reconciliation.support.logs import log_context
from tasks import shutdown
from tasks.base import require_schema, task
from tasks.runtime import runtime


@task(RUN_AFTER_FILLS)
def run_after_fills(account_id: str, token: str, schema: int = 1) -> dict[str, Any]:
    require_schema(schema)
    with log_context(account_id=account_id):
        return runtime().run(runtime().parts.post_fill_runs(shutdown.is_asked_for).run(account_id, token))
