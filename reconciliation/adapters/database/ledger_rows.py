"""Domain objects of the ledger to rows and back; no statement is made here."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from reconciliation.adapters.database.tables.ledger import UNKNOWN_VALUE
from reconciliation.domain.breaks.account_health import AccountHealth, Condition, ConditionState
from reconciliation.domain.breaks.break_ import Amounts, Break, BreakChange, BreakKey, Sightings
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import (
    AssetType,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    ReconciliationConfig,
    ValueAtStake,
    ValueBasis,
)

#: A broker's error page is no message.
MESSAGE_LIMIT_CHARACTERS = 1000


def run_row(run: RecordedRun, not_applied: str | None) -> dict[str, Any]:
    result, error = run.result, run.result.error
    return {
        "run_id": result.run_id,
        "account_id": result.account_id,
        "timestamp": result.timestamp,
        "trigger": str(result.context.get("trigger", ""))[:32],
        "outcome": result.outcome.value,
        "not_applied": not_applied,
        "context": result.context,
        "local_as_of": result.local_as_of,
        "broker_as_of": result.broker_as_of,
        "tolerances": None if run.config is None else _tolerances(run.config),
        "positions_checked": result.positions_checked,
        "discrepancy_count": len(result.discrepancies),
        "duration_ms": result.duration_ms,
        "not_compared": [str(item) for item in result.not_compared],
        "error_kind": None if error is None else error.kind,
        "error_side": None if error is None else error.side,
        "error_message": None if error is None else _message(error.message),
    }


def discrepancy_row(run_id: UUID, found: Discrepancy) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "break_id": BreakKey.of(found).break_id,
        "timestamp": found.timestamp,
        "type": found.type.value,
        "severity": found.severity.value,
        "symbol": found.symbol,
        "asset_type": None if found.asset_type is None else found.asset_type.value,
        "currency": found.currency,
        "local_value": found.local_value,
        "broker_value": found.broker_value,
        **_value_columns(found.value),
    }


def _value_columns(value: ValueAtStake | None) -> dict[str, Any]:
    return {
        "value_at_stake": None if value is None else value.amount,
        "value_currency": None if value is None else value.currency,
        "value_basis": None if value is None else value.basis.value,
    }


def _value_of(row: RowMapping | Mapping[str, Any]) -> ValueAtStake | None:
    if row["value_at_stake"] is None:
        return None
    basis = ValueBasis(row["value_basis"])
    return ValueAtStake(amount=row["value_at_stake"], currency=row["value_currency"], basis=basis)


def break_row(case: Break) -> dict[str, Any]:
    key, seen = case.key, case.seen
    return {
        "break_id": case.break_id,
        "account_id": key.account_id,
        "type": key.type.value,
        "symbol": key.symbol or "",
        "asset_type": "" if key.asset_type is None else key.asset_type.value,
        "currency": key.currency or "",
        "state": case.state.value,
        "severity": case.severity.value,
        "published_local_value": case.published.local_value,
        "published_broker_value": case.published.broker_value,
        "first_seen_at": case.first_seen_at,
        "opened_at": case.opened_at,
        "resolved_at": case.resolved_at,
        "resolved_by": case.resolved_by,
        "is_announced": case.is_announced,
        "open_count": case.open_count,
        "assignee": case.assignee,
        "note": case.note,
        "until": case.until,
        "change_limit": case.change_limit,
        "changes": case.changes,
        "local_value": seen.amounts.local_value,
        "broker_value": seen.amounts.broker_value,
        "last_seen_at": seen.last_seen_at,
        "last_run_id": seen.last_run_id,
        "sightings": seen.count,
        "last_look_at": seen.last_look_at,
        "gone_at": seen.gone_at,
        "gone_count": seen.gone_count,
        "counted_from": seen.counted_from,
        "fills_before": seen.fills_before,
        "confirmations_asked": seen.confirmations_asked,
        "hints": [list(hint) for hint in seen.hints],
        **_value_columns(seen.value),
        "value_order": UNKNOWN_VALUE if seen.value is None else float(seen.value.amount),
        "cause": seen.cause or "",
        "ratio": seen.ratio or "",
    }


def break_of(row: RowMapping | Mapping[str, Any]) -> Break:
    return Break(
        key=BreakKey(
            account_id=row["account_id"],
            type=DiscrepancyType(row["type"]),
            symbol=row["symbol"] or None,
            asset_type=AssetType(row["asset_type"]) if row["asset_type"] else None,
            currency=row["currency"] or None,
        ),
        state=BreakState(row["state"]),
        severity=DiscrepancySeverity(row["severity"]),
        published=Amounts(local_value=row["published_local_value"], broker_value=row["published_broker_value"]),
        first_seen_at=row["first_seen_at"],
        opened_at=row["opened_at"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        is_announced=row["is_announced"],
        open_count=row["open_count"],
        assignee=row["assignee"],
        note=row["note"],
        until=row["until"],
        change_limit=row["change_limit"],
        changes=row["changes"],
        seen=_sightings(row),
    )


def _sightings(row: RowMapping | Mapping[str, Any]) -> Sightings:
    return Sightings(
        amounts=Amounts(local_value=row["local_value"], broker_value=row["broker_value"]),
        last_seen_at=row["last_seen_at"],
        last_run_id=row["last_run_id"],
        count=row["sightings"],
        last_look_at=row["last_look_at"],
        gone_at=row["gone_at"],
        gone_count=row["gone_count"],
        counted_from=row["counted_from"],
        fills_before=row["fills_before"],
        confirmations_asked=row["confirmations_asked"],
        hints=tuple((kind, text) for kind, text in row["hints"]),
        value=_value_of(row),
        ratio=row["ratio"] or None,
    )


def change_row(break_id: UUID, change: BreakChange, event_id: UUID | None) -> dict[str, Any]:
    return {
        "break_id": break_id,
        "number": change.number,
        "kind": change.kind.value,
        "at": change.at,
        "actor": change.actor,
        "note": change.note,
        "run_id": change.run_id,
        "severity": None if change.severity is None else change.severity.value,
        "local_value": change.amounts.local_value,
        "broker_value": change.amounts.broker_value,
        "until": change.until,
        "change_limit": change.change_limit,
        "assignee": change.assignee,
        "previous_assignee": change.previous_assignee,
        "since": change.since,
        "event_id": event_id,
    }


def change_of(row: RowMapping | Mapping[str, Any]) -> BreakChange:
    return BreakChange(
        kind=BreakEventKind(row["kind"]),
        at=row["at"],
        number=row["number"],
        actor=row["actor"],
        note=row["note"],
        run_id=row["run_id"],
        severity=None if row["severity"] is None else DiscrepancySeverity(row["severity"]),
        amounts=Amounts(local_value=row["local_value"], broker_value=row["broker_value"]),
        until=row["until"],
        change_limit=row["change_limit"],
        assignee=row["assignee"],
        previous_assignee=row["previous_assignee"],
        since=row["since"],
    )


def health_row(health: AccountHealth) -> dict[str, Any]:
    return {
        "account_id": health.account_id,
        "connection": health.connection,
        "last_run_at": health.last_run_at,
        "interval_seconds": health.interval_seconds,
        "local_as_of": health.local_as_of,
        "broker_as_of": health.broker_as_of,
        "fences": dict(health.fences),
        "failed_runs": health.failed_runs,
        "flood_runs": health.flood_runs,
        "has_conditions": bool(health.conditions),
        "confirm_at": health.confirm_at,
    }


def health_of(row: RowMapping, conditions: Mapping[Condition, ConditionState]) -> AccountHealth:
    return AccountHealth(
        account_id=row["account_id"],
        connection=row["connection"],
        last_run_at=row["last_run_at"],
        interval_seconds=row["interval_seconds"],
        local_as_of=row["local_as_of"],
        broker_as_of=row["broker_as_of"],
        fences=row["fences"],
        failed_runs=row["failed_runs"],
        flood_runs=row["flood_runs"],
        confirm_at=row["confirm_at"],
        conditions=conditions,
    )


def condition_row(health: AccountHealth, condition: Condition) -> dict[str, Any]:
    state = health.conditions[condition]
    return {
        "account_id": health.account_id,
        "condition": condition.value,
        "connection": health.connection or "",
        "since": state.since,
        "announce_at": state.announce_at,
        "is_shared": state.is_shared,
        "until": state.until,
        "details": dict(state.details),
        "run_id": state.run_id,
    }


def condition_of(row: RowMapping) -> ConditionState:
    return ConditionState(
        since=row["since"],
        announce_at=row["announce_at"],
        is_shared=row["is_shared"],
        until=row["until"],
        details=row["details"],
        run_id=row["run_id"],
    )


def _tolerances(config: ReconciliationConfig) -> dict[str, Any]:
    rules = [
        {
            "measure": rule.measure,
            "account_id": rule.account_id,
            "asset_type": rule.asset_type,
            "symbol": rule.symbol,
            "absolute": f"{rule.tolerance.absolute:f}",
            "relative": f"{rule.tolerance.relative:f}",
            "unit": f"{rule.tolerance.unit:f}",
        }
        for rule in config.tolerances
    ]
    return {"cash": f"{config.cash_tolerance:f}", "equity_pct": f"{config.equity_tolerance_pct:f}", "rules": rules}


def _message(text: str) -> str:
    """Return text that PostgreSQL takes (it refuses NUL), of bounded length."""
    return text.replace("\0", "")[:MESSAGE_LIMIT_CHARACTERS]
