"""`reconciliation.reconcile_account`: one account, now, because somebody asked."""

from typing import Any

from reconciliation.errors import ReconciliationError
from reconciliation.logs import log_context
from reconciliation.models import ReconciliationResult
from reconciliation.run_request import on_demand
from tasks.base import ReconciliationTask, require_schema
from tasks.celery import app
from tasks.runtime import runtime


class ReconcileAccountTask(ReconciliationTask):
    """Ends in a published result, whatever happens: whoever waits for it is never left in silence."""

    abstract = True

    def give_up(self, error: ReconciliationError, kwargs: dict[str, Any]) -> Any:
        request = on_demand(kwargs["account_id"], kwargs.get("context"), kwargs.get("run_id") or self.request.id)
        [result] = runtime().run(runtime().parts.reconciler.give_up([request], str(error)))
        return answer(result)


@app.task(  # type: ignore[untyped-decorator]
    name="reconciliation.reconcile_account", base=ReconcileAccountTask, bind=True, ignore_result=False
)
def reconcile_account(
    self: ReconcileAccountTask,
    account_id: str,
    context: dict[str, Any] | None = None,
    run_id: str | None = None,
    schema: int = 1,
) -> dict[str, Any]:
    require_schema(schema)
    # The task's id stays the same over every redelivery and retry, and so does the run's.
    request = on_demand(account_id, context, run_id or self.request.id)
    with log_context(run_id=str(request.run_id), account_id=account_id):
        [result] = runtime().run(runtime().parts.reconciler.reconcile([request]))
    return answer(result)


def answer(result: ReconciliationResult) -> dict[str, Any]:
    return {"run_id": str(result.run_id), "account_id": result.account_id, "outcome": result.outcome.value}
