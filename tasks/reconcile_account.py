"""`reconciliation.reconcile_account`: one account, now, on request."""

from typing import Any

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import ReconciliationError
from reconciliation.messages.run_requests import on_demand
from reconciliation.messages.tasks import RECONCILE_ACCOUNT
from reconciliation.support.logs import log_context
from tasks.base import ReconciliationTask, require_schema, task, task_id
from tasks.runtime import runtime


class ReconcileAccountTask(ReconciliationTask):
    """Ends in a published result, whatever happens: a caller that waits for it always gets an answer."""

    abstract = True

    def give_up(self, error: ReconciliationError, kwargs: dict[str, Any]) -> Any:
        request = on_demand(kwargs["account_id"], kwargs.get("context"), kwargs.get("run_id") or self.request.id)
        return answer(request, runtime().run(runtime().parts.on_demand_runs.give_up(request, error)))


@task(RECONCILE_ACCOUNT, base=ReconcileAccountTask)
def reconcile_account(
    account_id: str, context: dict[str, Any] | None = None, run_id: str | None = None, schema: int = 1
) -> dict[str, Any]:
    require_schema(schema)
    # The task's id stays the same over every redelivery and retry, and so does the run's.
    request = on_demand(account_id, context, run_id or task_id())
    with log_context(run_id=str(request.run_id), account_id=account_id):
        return answer(request, runtime().run(runtime().parts.on_demand_runs.make(request)))


def answer(request: RunRequest, result: ReconciliationResult | None) -> dict[str, Any]:
    """Return the task's answer; without a result of its own the run is, or was, made by another worker."""
    outcome = "made_elsewhere" if result is None else result.outcome.value
    return {"run_id": str(request.run_id), "account_id": request.account_id, "outcome": outcome}
