"""Requests for runs as they come from outside: checked, and with an identity that survives redelivery."""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import InvalidInputError

MAX_ACCOUNT_ID_CHARACTERS = 200


def on_demand(account_id: object, context: object, request_id: object) -> RunRequest:
    """Return the request of somebody outside who asked for one account, now.

    Args:
        account_id: whose books to compare.
        context: handed through to the result, unchanged; None: `{"trigger": "on_demand"}`.
        request_id: the run id if it is a UUID; any other text leads to the same run id each time.

    Raises:
        InvalidInputError: one of them has the wrong shape.
    """
    if not isinstance(account_id, str) or not account_id.strip():
        raise InvalidInputError(f"account_id is {account_id!r}: it must be a text that is not empty")
    if len(account_id) > MAX_ACCOUNT_ID_CHARACTERS:
        raise InvalidInputError(
            f"account_id has {len(account_id)} characters: at most {MAX_ACCOUNT_ID_CHARACTERS} are allowed"
        )
    if context is not None and not isinstance(context, Mapping):
        raise InvalidInputError(f"context is a {type(context).__name__}: it must be a JSON object")
    return RunRequest(
        account_id=account_id,
        context=dict(context) if context else _default_context(),
        run_id=_run_id(request_id),
    )


def _default_context() -> dict[str, Any]:
    return {"trigger": Trigger.ON_DEMAND.value}


def _run_id(request_id: object) -> UUID:
    if not isinstance(request_id, str) or not request_id:
        raise InvalidInputError(f"run_id is {request_id!r}: it must be a text, best a UUID")
    try:
        return UUID(request_id)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"reconciliation:{request_id}")
