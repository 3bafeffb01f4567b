"""Decides one run: two snapshots in, a result out. Pure; reading and publishing are elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciliation.domain.comparison.comparator import Comparator
from reconciliation.domain.comparison.staleness import stale_broker, stale_local
from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.comparison.valuation import with_values
from reconciliation.domain.model.calendar import BusinessCalendar
from reconciliation.domain.model.instruments import PositionKey
from reconciliation.domain.model.models import (
    Discrepancy,
    DiscrepancyType,
    ReconciliationConfig,
    ReconciliationResult,
    RunError,
)
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import BadData, ReadError, UnusableValueError


@dataclass(frozen=True, kw_only=True)
class SymbolContext:
    """What brings the symbols of both sides together."""

    resolver: SymbolResolver
    #: The names under which mappings speak of this account's broker.
    brokers: Sequence[str]
    #: Says which day it is for mappings with days.
    calendar: BusinessCalendar = field(default_factory=BusinessCalendar)


@dataclass(frozen=True, kw_only=True)
class AlignedSides:
    """Both sides under common symbols, as far as they could be read."""

    local: LocalSnapshot | ReadError
    broker: BrokerSnapshot | ReadError
    #: Pairs without evidence that may be one holding: a key that only the local book has, and one only the broker has.
    perhaps_the_same: Mapping[PositionKey, PositionKey] = field(default_factory=dict)


def align_symbols(
    start: RunStart,
    local: LocalSnapshot | ReadError,
    broker: BrokerSnapshot | ReadError,
    symbol_context: SymbolContext | None,
) -> AlignedSides:
    """Bring both sides under common symbols; without a context, or where a side is missing, leave them as they are."""
    if symbol_context is None or isinstance(local, ReadError) or isinstance(broker, ReadError):
        return AlignedSides(local=local, broker=broker)
    day = symbol_context.calendar.day_of(broker.as_of or start.timestamp)
    try:
        aligned = symbol_context.resolver.align(
            local.positions, broker.positions, brokers=symbol_context.brokers, day=day
        )
    except (
        ArithmeticError,
        AttributeError,
        TypeError,
        ValueError,
    ):  # a row that cannot be read: the comparator names it
        return AlignedSides(local=local, broker=broker)
    return AlignedSides(
        # Most rows have their names already, and a new snapshot would check each number again.
        local=local if aligned.local is local.positions else replace(local, positions=aligned.local),
        broker=broker if aligned.broker is broker.positions else replace(broker, positions=aligned.broker),
        perhaps_the_same=aligned.perhaps_the_same,
    )


def conclude(
    request: RunRequest,
    config: ReconciliationConfig,
    start: RunStart,
    local: LocalSnapshot | ReadError,
    broker: BrokerSnapshot | ReadError,
    *,
    symbol_context: SymbolContext | None = None,
) -> ReconciliationResult:
    """Return the result of a run whose sides were read, or could not be.

    With a symbol context, both sides are brought under common symbols first.
    """
    return conclude_aligned(request, config, start, align_symbols(start, local, broker, symbol_context))


def conclude_aligned(
    request: RunRequest, config: ReconciliationConfig, start: RunStart, sides: AlignedSides
) -> ReconciliationResult:
    """Return the result of a run whose sides are under common symbols already.

    If both sides failed, the broker's error is named: an operator cannot see it elsewhere.
    """
    local, broker = sides.local, sides.broker
    if isinstance(broker, ReadError):
        return incomplete(request, start, broker, "broker")
    if isinstance(local, ReadError):
        return incomplete(request, start, local, "local")
    unusable = _unusable(request, config, start.timestamp, local, broker)
    if unusable is not None:
        return incomplete(request, start, *unusable)
    try:
        comparison = Comparator(config, now=lambda: start.timestamp).compare(local, broker)
    except UnusableValueError as error:
        return incomplete(request, start, BadData(str(error)), error.side)
    return ReconciliationResult(
        account_id=request.account_id,
        timestamp=start.timestamp,
        is_clean=not comparison.discrepancies,
        discrepancies=with_values(_with_hints(comparison.discrepancies, sides.perhaps_the_same), local, broker),
        positions_checked=comparison.positions_checked,
        duration_ms=start.elapsed_ms(),
        context=request.context,
        run_id=request.run_id,
        not_compared=comparison.not_compared,
        local_as_of=local.as_of or start.timestamp,
        broker_as_of=broker.as_of or start.timestamp,
    )


def _unusable(
    request: RunRequest, config: ReconciliationConfig, now: datetime, local: LocalSnapshot, broker: BrokerSnapshot
) -> tuple[ReadError, str] | None:
    """Return why two answers must not be compared, and which side is the cause."""
    found = broker.account.account_id
    if found != request.account_id:
        return BadData(f"asked for account {request.account_id!r}, got {found!r}"), "broker"
    if (stale := stale_broker(config, now, broker)) is not None:
        return stale, "broker"
    if (stale := stale_local(config, now, local)) is not None:
        return stale, "local"
    return None


def _with_hints(findings: list[Discrepancy], pairs: Mapping[PositionKey, PositionKey]) -> list[Discrepancy]:
    """Name in each of two findings that may be one holding the symbol of the other. Both stay findings."""
    if not pairs:
        return findings
    others = {
        DiscrepancyType.MISSING_BROKER: {local: broker[0] for local, broker in pairs.items()},
        DiscrepancyType.MISSING_LOCAL: {broker: local[0] for local, broker in pairs.items()},
    }
    return [replace(found, other_symbol=_of_position(found, others.get(found.type, {}))) for found in findings]


def _of_position(found: Discrepancy, symbols: Mapping[PositionKey, str]) -> str | None:
    if found.symbol is None or found.asset_type is None:
        return None
    return symbols.get((found.symbol, found.asset_type))


def incomplete(request: RunRequest, start: RunStart, error: ReadError, side: str) -> ReconciliationResult:
    """Return the result of a run that could not compare. Unknown is not flat, so it has no finding."""
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
