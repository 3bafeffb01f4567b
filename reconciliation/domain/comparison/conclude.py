"""One run, decided: two snapshots in, a result out. Pure; who gathers and who publishes is elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reconciliation.domain.comparison.comparator import Comparator
from reconciliation.domain.comparison.symbol_matching import Key, SymbolResolver
from reconciliation.domain.model.models import (
    AssetType,
    Discrepancy,
    DiscrepancyType,
    ReconciliationConfig,
    ReconciliationResult,
    RunError,
)
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import BadData, ReadError, UnusableFigureError


@dataclass(frozen=True, kw_only=True)
class SymbolContext:
    """How symbols of both sides are told to be the same."""

    resolver: SymbolResolver
    #: The names under which mappings speak of this account's broker.
    brokers: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class AlignedSides:
    """Both sides under common symbols, as far as they could be read."""

    local: LocalSnapshot | ReadError
    broker: BrokerSnapshot | ReadError
    #: A key of ours without its like at the broker, and the broker's symbol that is most likely the same holding.
    unresolved: Mapping[Key, str] = field(default_factory=dict)


def align_symbols(
    start: RunStart,
    local: LocalSnapshot | ReadError,
    broker: BrokerSnapshot | ReadError,
    symbol_context: SymbolContext | None,
) -> AlignedSides:
    """Bring both sides under common symbols; without a `naming`, or where a side is missing, leave them as they are."""
    if symbol_context is None or isinstance(local, ReadError) or isinstance(broker, ReadError):
        return AlignedSides(local=local, broker=broker)
    day = (broker.as_of or start.timestamp).date()
    try:
        aligned = symbol_context.resolver.align(
            local.positions, broker.positions, brokers=symbol_context.brokers, day=day
        )
    except (
        ArithmeticError,
        AttributeError,
        TypeError,
        ValueError,
    ):  # a row that cannot be read: the comparator says which
        return AlignedSides(local=local, broker=broker)
    return AlignedSides(
        # Most rows have their names already: making a snapshot anew checks each of its figures again.
        local=local if aligned.local is local.positions else replace(local, positions=aligned.local),
        broker=broker if aligned.broker is broker.positions else replace(broker, positions=aligned.broker),
        unresolved=aligned.unresolved,
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
    """Return the result of a run whose sides were read, or failed to be.

    With a `naming`, both sides are brought under common symbols first.
    """
    return conclude_aligned(request, config, start, align_symbols(start, local, broker, symbol_context))


def conclude_aligned(
    request: RunRequest, config: ReconciliationConfig, start: RunStart, sides: AlignedSides
) -> ReconciliationResult:
    """Return the result of a run whose sides are under common symbols already.

    The broker's error is named before the local one: it is the one that an operator can't see elsewhere.
    """
    local, broker = sides.local, sides.broker
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
        discrepancies=list(_joined(comparison.discrepancies, sides.unresolved)),
        positions_checked=comparison.positions_checked,
        duration_ms=start.elapsed_ms(),
        context=request.context,
        run_id=request.run_id,
        not_compared=comparison.not_compared,
        local_as_of=local.as_of or start.timestamp,
        broker_as_of=broker.as_of or start.timestamp,
    )


def _joined(findings: Iterable[Discrepancy], unresolved: Mapping[Key, str]) -> Iterator[Discrepancy]:
    """Make one finding of a holding that each side has under a name of its own."""
    if not unresolved:
        yield from findings
        return
    names: dict[tuple[str | None, AssetType | None], str] = dict(unresolved.items())
    broker = {(symbol, asset_type) for (_, asset_type), symbol in unresolved.items()}
    for found in findings:
        key = (found.symbol, found.asset_type)
        if found.type is DiscrepancyType.MISSING_LOCAL and key in broker:
            continue
        if found.type is DiscrepancyType.MISSING_BROKER and key in names:
            yield replace(found, other_symbol=names[key])
        else:
            yield found


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
