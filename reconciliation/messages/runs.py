"""What leaves the process: the JSON of the channels, the same wherever it is printed or published."""

import json
from typing import Any
from uuid import UUID

from reconciliation.domain.model.models import Discrepancy, ReconciliationResult, ValueAtStake
from reconciliation.domain.model.values import decimal_text

RESULT_CHANNEL = "reconciliation:result"
DISCREPANCY_CHANNEL = "reconciliation:discrepancy"


def result_payload(result: ReconciliationResult) -> dict[str, Any]:
    """Return the message of channel `reconciliation:result`: one per run."""
    error = result.error
    return {
        "run_id": str(result.run_id),
        "account_id": result.account_id,
        "timestamp": result.timestamp.isoformat(),
        "is_clean": result.is_clean,
        "outcome": result.outcome.value,
        "discrepancy_count": len(result.discrepancies),
        "positions_checked": result.positions_checked,
        "duration_ms": result.duration_ms,
        "context": result.context,
        "not_compared": [str(item) for item in result.not_compared],
        "error": None if error is None else {"kind": error.kind, "side": error.side, "message": error.message},
    }


def discrepancy_payload(run_id: UUID, discrepancy: Discrepancy) -> dict[str, Any]:
    """Return the message of channel `reconciliation:discrepancy`: one per finding. Values are strings or null."""
    return {
        "run_id": str(run_id),
        "type": discrepancy.type.value,
        "severity": discrepancy.severity.value,
        "symbol": discrepancy.symbol,
        "asset_type": None if discrepancy.asset_type is None else discrepancy.asset_type.value,
        "currency": discrepancy.currency,
        "other_symbol": discrepancy.other_symbol,
        "is_gross": discrepancy.is_gross,
        "local_value": decimal_text(discrepancy.local_value),
        "broker_value": decimal_text(discrepancy.broker_value),
        **value_payload(discrepancy.value),
        "timestamp": discrepancy.timestamp.isoformat(),
        "account_id": discrepancy.account_id,
    }


def value_payload(value: ValueAtStake | None) -> dict[str, str | None]:
    """Return the fields of a value at stake; all are null where it is not known."""
    return {
        "value_at_stake": None if value is None else decimal_text(value.amount),
        "value_currency": None if value is None else value.currency,
        "value_basis": None if value is None else value.basis.value,
    }


def messages(result: ReconciliationResult) -> list[tuple[str, str]]:
    """Return every (channel, JSON) of a run: its findings first, then the result that counts them."""
    sent = [
        (DISCREPANCY_CHANNEL, json.dumps(discrepancy_payload(result.run_id, found))) for found in result.discrepancies
    ]
    # `default=str`: a context is the caller's, and may hold a UUID or a time.
    sent.append((RESULT_CHANNEL, json.dumps(result_payload(result), default=str)))
    return sent
