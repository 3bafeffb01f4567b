"""Short ways to say "a run saw this"."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from reconciliation.domain.breaks.break_ import Break
from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.breaks.lifecycle import AccountBefore, Advance, advance
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import (
    DEFAULT_SEVERITY_MAP,
    AssetType,
    Discrepancy,
    DiscrepancyType,
    ReconciliationResult,
    RunError,
)

T0 = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
QUANTITY = DiscrepancyType.QUANTITY_MISMATCH


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def finding(
    symbol: str | None = "AAPL",
    local: str | None = "100",
    broker: str | None = "110",
    *,
    kind: DiscrepancyType = QUANTITY,
    account_id: str = "A",
    asset_type: AssetType | None = AssetType.STOCK,
) -> Discrepancy:
    return Discrepancy(
        type=kind,
        severity=DEFAULT_SEVERITY_MAP[kind],
        symbol=symbol,
        local_value=None if local is None else Decimal(local),
        broker_value=None if broker is None else Decimal(broker),
        timestamp=T0,
        account_id=account_id,
        asset_type=asset_type if symbol is not None else None,
    )


def run(seconds: float, *found: Discrepancy, account_id: str = "A", **values: Any) -> ReconciliationResult:
    at = after(seconds)
    return ReconciliationResult(
        account_id=account_id,
        timestamp=at,
        is_clean=not found and values.get("error") is None,
        discrepancies=list(found),
        positions_checked=len(found),
        duration_ms=1.0,
        **{"context": {"trigger": "periodic"}, "local_as_of": at, "broker_as_of": at, **values},
    )


def failed_run(seconds: float, *found: Discrepancy, account_id: str = "A", **values: Any) -> ReconciliationResult:
    error = RunError(kind="unavailable", side="broker", message="no answer")
    return run(seconds, *found, account_id=account_id, error=error, **values)


def fills(
    seconds: float, *, since: float = -60, held: Iterable[str] = ("AAPL", "IBM"), **last: float
) -> dict[str, Any]:
    """Say when each symbol had its last fill, as the facts of a run at `seconds` that took half a second."""
    last_ms = {symbol: _ms(at) for symbol, at in last.items()}
    before = FillActivity(at_ms=_ms(seconds), since_ms=_ms(since))
    later = FillActivity(at_ms=_ms(seconds + 0.5), since_ms=_ms(since), last_ms=last_ms)
    return {"fills_before": before, "fills_after": later, "holdings": frozenset(held)}


def _ms(seconds: float) -> int:
    return round(after(seconds).timestamp() * 1000)


class Life:
    """The breaks of one account, run by run, with everything that happened to them."""

    def __init__(self, policy: BreakPolicy | None = None) -> None:
        self.policy = policy or BreakPolicy()
        self.cases: dict[Any, Break] = {}
        self.history: dict[Any, list[Any]] = {}
        self.flood_runs = 0
        self.applied_at: datetime | None = None

    def run(self, result: ReconciliationResult, **facts: Any) -> Advance:
        """Make one run, and keep what it did."""
        before = AccountBefore(flood_runs=self.flood_runs, applied_at=self.applied_at)
        done = advance(self.cases.values(), RecordedRun(result=result, **facts), self.policy, before)
        if result.error is None:
            self.flood_runs = self.flood_runs + 1 if done.flood_size else 0
            self.applied_at = result.timestamp
        self.cases |= {case.key: case for case in done.breaks}
        for case, change in done.changes:
            self.history.setdefault(case.key, []).append(change)
        return done

    def kinds(self) -> list[str]:
        """All that happened, as words, oldest first."""
        entries = [change for changes in self.history.values() for change in changes]
        return [change.kind.value for change in sorted(entries, key=lambda change: change.at)]

    @property
    def only(self) -> Break:
        (case,) = self.cases.values()
        return case


def kinds(changes: Iterable[Any]) -> list[str]:
    return [change.kind.value for _, change in changes]
