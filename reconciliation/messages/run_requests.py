"""Requests for runs as they come from outside: checked, and with an identity that survives redelivery."""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import RunRequest
from reconciliation.domain.model.values import checked_json, checked_name, checked_text
from reconciliation.errors import InvalidInputError


def on_demand(account_id: object, context: object, request_id: object) -> RunRequest:
    """Return the request of a caller outside for one account, now.

    Args:
        account_id: whose books to compare.
        context: handed through to the result, unchanged; None: `{"trigger": "on_demand"}`.
        request_id: the run id if it is a UUID; any other text leads to the same run id each time.

    Raises:
        InvalidInputError: one of them has the wrong shape.
    """
    if context is not None and not isinstance(context, Mapping):
        raise InvalidInputError(f"context is a {type(context).__name__}: it must be a JSON object")
    checked_json(context, "context")
    return RunRequest(
        account_id=checked_name(account_id, "account_id"),
        context=dict(context) if context else _default_context(),
        run_id=_run_id(request_id),
    )


def _default_context() -> dict[str, Any]:
    return {"trigger": Trigger.ON_DEMAND.value}


def _run_id(request_id: object) -> UUID:
    text = checked_text(request_id, "run_id")
    try:
        return UUID(text)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"reconciliation:{text}")
