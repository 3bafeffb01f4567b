"""One run, decided: two snapshots in, a result out. Pure; who gathers and who publishes is elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from reconciliation.broker.query import BrokerSnapshot
from reconciliation.comparator import Comparator
from reconciliation.errors import BadData, ReadError, UnusableFigureError
from reconciliation.local.provider import LocalSnapshot
from reconciliation.models import ReconciliationConfig, ReconciliationResult, RunError, RunRequest


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """When a run began: by the calendar for the record, by the monotonic clock for its duration."""

    timestamp: datetime
    started: float
    clock: Callable[[], float]

    @classmethod
    def now(cls, calendar: Callable[[], datetime] = utc_now, clock: Callable[[], float] = monotonic) -> "RunStart":
        return cls(timestamp=calendar(), started=clock(), clock=clock)

    def elapsed_ms(self) -> float:
        return round((self.clock() - self.started) * 1000, 3)


def conclude(
    request: RunRequest,
    config: ReconciliationConfig,
    start: RunStart,
    local: LocalSnapshot | ReadError,
    broker: BrokerSnapshot | ReadError,
) -> ReconciliationResult:
    """Return the result of a run whose sides were read, or failed to be.

    The broker's error is named before the local one: it is the one that an operator can't see elsewhere.
    """
    if isinstance(broker, ReadError):
        return incomplete(request, start, broker, "broker")
    if isinstance(local, ReadError):
        return incomplete(request, start, local, "local")
    if broker.account.account_id != request.account_id:
        wrong = BadData(f"asked for account {request.account_id!r}, got {broker.account.account_id!r}")
        return incomplete(request, start, wrong, "broker")
    try:
        comparison = Comparator(config, now=lambda: start.timestamp).compare(local, broker)
    except UnusableFigureError as error:
        return incomplete(request, start, BadData(str(error)), error.side)
    return ReconciliationResult(
        account_id=request.account_id,
        timestamp=start.timestamp,
        is_clean=not comparison.discrepancies,
        discrepancies=comparison.discrepancies,
        positions_checked=comparison.positions_checked,
        duration_ms=start.elapsed_ms(),
        context=request.context,
        run_id=request.run_id,
        not_compared=comparison.not_compared,
        local_as_of=local.as_of or start.timestamp,
        broker_as_of=broker.as_of or start.timestamp,
    )


def incomplete(request: RunRequest, start: RunStart, error: ReadError, side: str) -> ReconciliationResult:
    """Return the result of a run that could not compare: unknown is not flat, so it holds no finding."""
    return ReconciliationResult(
        account_id=request.account_id,
        timestamp=start.timestamp,
        is_clean=False,
        discrepancies=[],
        positions_checked=0,
        duration_ms=start.elapsed_ms(),
        context=request.context,
        run_id=request.run_id,
        error=RunError.of(error, side),
    )
