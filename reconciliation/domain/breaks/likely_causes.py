"""Likely causes of findings, guessed from their shape. Pure; a hint helps a person and never changes a severity.

Each guess is one function from a finding and the facts to a sentence or None; `docs/breaks.md` lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from reconciliation.domain.breaks.break_ import Amounts, BreakKey
from reconciliation.domain.model.instruments import PositionKey
from reconciliation.domain.model.models import (
    AssetType,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    OrderFill,
    OrderSide,
    ReconciliationResult,
    ValueAtStake,
)
from reconciliation.domain.model.snapshots import BookRow, BrokerPosition, BrokerSnapshot, LocalPosition, LocalSnapshot
from reconciliation.domain.model.values import EXACT

_SPLIT_RATIOS = frozenset(
    Fraction(a, b) for a in range(1, 101) for b in (1, 2, 3, 4) if Fraction(a, b) > 1
)  # 2:1, 3:2, 20:1 ...; and their inverses
_SPLIT_COST_SLACK = Fraction(1, 100)
#: A ratio of larger numbers is a coincidence.
_MAX_SIMPLE_RATIO = 1000
_CASH_SLACK = Decimal("1.00")
_OPTION_MULTIPLIER = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class CauseInputs:
    """What else is known when a run ends; all of it optional."""

    recent_fills: Sequence[OrderFill] = ()
    #: Units per contract by position, as either side says.
    multipliers: Mapping[PositionKey, Decimal] = field(default_factory=dict)
    fill_in_flight_seconds: float = 60.0
    #: Four days: a settlement over a weekend.
    settlement_seconds: float = 4 * 86400.0
    stale_after_seconds: float = 900.0


NO_CAUSE_INPUTS = CauseInputs()


def cause_inputs_of(local: LocalSnapshot, broker: BrokerSnapshot, context: Mapping[str, Any]) -> CauseInputs:
    """Return what two snapshots say beside their numbers, and the run's context of the last fill."""
    multipliers: dict[PositionKey, Decimal] = {}
    for row in (*local.positions, *broker.positions):
        if isinstance(row, (LocalPosition, BookRow, BrokerPosition)) and row.multiplier is not None:
            multipliers[row.symbol, row.asset_type] = row.multiplier
    return CauseInputs(recent_fills=_fills_of(context), multipliers=multipliers)


def _fills_of(context: Mapping[str, Any]) -> tuple[OrderFill, ...]:
    """Return the fill that a post-fill context names, if it says enough of it."""
    names = ("fill_id", "order_id", "symbol", "side", "quantity", "price", "last_fill_at")
    given = [context.get(name) for name in names]
    if not all(isinstance(value, str) for value in given):
        return ()
    fill_id, order_id, symbol, side, quantity, price, at = map(str, given)
    try:
        moment = datetime.fromisoformat(at)
        return (OrderFill(fill_id, order_id, symbol, side, Decimal(quantity), Decimal(price), moment),)
    except (ValueError, InvalidOperation):  # a context is the caller's: what it says elsewhere is no fill
        return ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a run says of one key, with its likely causes as (kind, sentence)."""

    key: BreakKey
    severity: DiscrepancySeverity
    amounts: Amounts
    hints: tuple[tuple[str, str], ...] = ()
    value: ValueAtStake | None = None
    #: How many times the local quantity the broker's is, such as `10:1`; None: neither simple nor known.
    ratio: str | None = None


@dataclass(frozen=True, kw_only=True)
class _CauseContext:
    findings: Mapping[BreakKey, Finding]
    facts: CauseInputs
    at: datetime
    broker_as_of: datetime | None


Guess = Callable[[Finding, _CauseContext], str | None]


def explain(result: ReconciliationResult, facts: CauseInputs) -> dict[BreakKey, Finding]:
    """Return the findings of a run by their key, each with its hints."""
    findings: dict[BreakKey, Finding] = {}
    for found in result.discrepancies:
        key = BreakKey.of(found)
        amounts = Amounts(local_value=found.local_value, broker_value=found.broker_value)
        finding = Finding(key=key, severity=found.severity, amounts=amounts, hints=_hints_of(found), value=found.value)
        findings.setdefault(key, finding)
    context = _CauseContext(findings=findings, facts=facts, at=result.timestamp, broker_as_of=result.broker_as_of)
    return {
        key: replace(found, hints=found.hints + _guesses(found, context), ratio=_ratio_text(found, context))
        for key, found in findings.items()
    }


def _guesses(found: Finding, context: _CauseContext) -> tuple[tuple[str, str], ...]:
    said = ((kind, guess(found, context)) for kind, guess in GUESSES.items())
    return tuple((kind, sentence) for kind, sentence in said if sentence is not None)


def _hints_of(found: Discrepancy) -> tuple[tuple[str, str], ...]:
    """Return what the comparison itself found out."""
    if found.is_gross:
        return (("opposite_legs", "these are long plus short: the net quantities agree, the legs behind them do not"),)
    if found.other_symbol is None:
        return ()
    side = "at the broker" if found.type is DiscrepancyType.MISSING_BROKER else "in the local book"
    return (("other_name", f"perhaps the same holding as {found.other_symbol!r} {side}: if so, map the symbol"),)


def _fill_in_flight(found: Finding, context: _CauseContext) -> str | None:
    if found.key.symbol is None or found.key.type is DiscrepancyType.COST_MISMATCH:
        return None
    for fill in _recent(context, context.facts.fill_in_flight_seconds):
        if fill.symbol == found.key.symbol and abs(found.amounts.difference) == abs(fill.quantity):
            return (
                f"the difference is fill {fill.fill_id} ({_side(fill)} {abs(fill.quantity):f}), not yet on both sides"
            )
    return None


def _sign_flipped(found: Finding, _context: _CauseContext) -> str | None:
    local, broker = found.amounts.local_value, found.amounts.broker_value
    if local is None or broker is None or not local or local != -broker:
        return None
    return "the sides are equal but for the sign: long on one, short on the other"


def _multiplier(found: Finding, context: _CauseContext) -> str | None:
    ratio = _ratio(found.amounts)
    if ratio is None or found.key.symbol is None or found.key.asset_type is None:
        return None
    default = _OPTION_MULTIPLIER if found.key.asset_type is AssetType.OPTION else None
    factor = context.facts.multipliers.get((found.key.symbol, found.key.asset_type), default)
    if factor is None or factor in (0, 1) or ratio not in (Fraction(factor), 1 / Fraction(factor)):
        return None
    return f"the sides differ by the contract multiplier, {factor.normalize():f}"


def _split(found: Finding, context: _CauseContext) -> str | None:
    """Say the same of both findings of a split, so that they stand together."""
    ratio = _split_ratio(found, context)
    if ratio is None:
        return None
    words = f"{ratio.numerator}:{ratio.denominator}"
    return (
        f"the broker's quantity is {words} of the local one, its cost the inverse: perhaps a split booked by one side"
    )


def _split_ratio(found: Finding, context: _CauseContext) -> Fraction | None:
    if found.key.type not in (DiscrepancyType.QUANTITY_MISMATCH, DiscrepancyType.COST_MISMATCH):
        return None
    pair = [
        context.findings.get(replace(found.key, type=kind))
        for kind in (DiscrepancyType.QUANTITY_MISMATCH, DiscrepancyType.COST_MISMATCH)
    ]
    ratio, cost_ratio = (None if one is None else _ratio(one.amounts) for one in pair)
    if ratio is None or cost_ratio is None or not (ratio in _SPLIT_RATIOS or 1 / ratio in _SPLIT_RATIOS):
        return None
    return ratio if abs(ratio * cost_ratio - 1) <= _SPLIT_COST_SLACK else None


def _ratio_text(found: Finding, context: _CauseContext) -> str | None:
    """Return the ratio of the quantities, where it is a simple one: what many accounts with one cause share."""
    ratio = _split_ratio(found, context)
    if ratio is None and found.key.type is DiscrepancyType.QUANTITY_MISMATCH:
        ratio = _ratio(found.amounts)
    if ratio is None or max(ratio.numerator, ratio.denominator) > _MAX_SIMPLE_RATIO:
        return None
    return f"{ratio.numerator}:{ratio.denominator}"


def _unsettled_cash(found: Finding, context: _CauseContext) -> str | None:
    if found.key.type is not DiscrepancyType.CASH_MISMATCH:
        return None
    for fill in _recent(context, context.facts.settlement_seconds):
        amount = EXACT.abs(EXACT.multiply(fill.quantity, fill.price))
        if amount and abs(abs(found.amounts.difference) - amount) <= _CASH_SLACK:
            return f"the difference is the amount of fill {fill.fill_id} ({_side(fill)} {fill.symbol}): not yet settled"
    return None


def _rounding(found: Finding, _context: _CauseContext) -> str | None:
    local, broker = found.amounts.local_value, found.amounts.broker_value
    if local is None or broker is None or local == broker:
        return None
    coarse, fine = sorted((local, broker), key=_decimals)
    if not coarse or _decimals(coarse) == _decimals(fine):
        return None
    step = Decimal(1).scaleb(-_decimals(coarse))
    if fine.quantize(step, rounding=ROUND_HALF_EVEN, context=EXACT) != coarse:
        return None
    return f"the sides are equal when rounded to {_decimals(coarse)} decimals"


def _stale_broker(_found: Finding, context: _CauseContext) -> str | None:
    if context.broker_as_of is None:
        return None
    age = context.at - context.broker_as_of
    if age <= timedelta(seconds=context.facts.stale_after_seconds):
        return None
    return f"the broker's answer is of {context.broker_as_of:%Y-%m-%d %H:%M} UTC, before this run by {age}"


#: Found only by the run that knew of the fill: kept while the amounts stay as they are.
STICKY_CAUSES = frozenset({"fill_in_flight", "unsettled_cash"})

#: Every guess by its stable name, in the order of telling. The comparison gives `other_name` and `opposite_legs`.
GUESSES: Mapping[str, Guess] = {
    "fill_in_flight": _fill_in_flight,
    "sign_flipped": _sign_flipped,
    "multiplier": _multiplier,
    "split": _split,
    "unsettled_cash": _unsettled_cash,
    "rounding": _rounding,
    "stale_broker": _stale_broker,
}


def _ratio(amounts: Amounts) -> Fraction | None:
    if not amounts.local_value or not amounts.broker_value:
        return None
    ratio = Fraction(amounts.broker_value) / Fraction(amounts.local_value)
    return ratio if ratio > 0 else None


def _decimals(value: Decimal) -> int:
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _recent(context: _CauseContext, within_seconds: float) -> list[OrderFill]:
    since = context.at - timedelta(seconds=within_seconds)
    return [fill for fill in context.facts.recent_fills if fill.timestamp >= since]


def _side(fill: OrderFill) -> str:
    return fill.side.value if isinstance(fill.side, OrderSide) else str(fill.side)
