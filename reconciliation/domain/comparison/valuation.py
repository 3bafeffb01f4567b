"""The value at stake: how much money each finding is about. Pure.

The difference times the price, where the price is the broker's market value of one unit, or else the average cost. What
is not known makes the value unknown, never zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from reconciliation.domain.model.instruments import PositionKey
from reconciliation.domain.model.models import (
    DISCREPANCY_TRAITS,
    AssetType,
    Discrepancy,
    Level,
    Measure,
    ValueAtStake,
    ValueBasis,
)
from reconciliation.domain.model.snapshots import (
    BookRow,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
    PositionLike,
)
from reconciliation.domain.model.values import AVERAGE, EXACT, exact_decimal, exact_sum, optional_decimal

#: One unit of these is one unit, where no side gives a multiplier. A bond is not: its cost may be a percent of par.
_UNIT_TYPES = frozenset({AssetType.STOCK, AssetType.FUND, AssetType.CRYPTO, AssetType.FOREX})
_CENT = Decimal("0.01")
#: Of a value below one cent, which must not look like zero.
_FINEST = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of either side, in exact numbers."""

    quantity: Decimal
    avg_cost: Decimal | None
    market_value: Decimal | None = None
    currency: str | None = None
    multiplier: Decimal | None = None


def with_values(findings: Sequence[Discrepancy], local: LocalSnapshot, broker: BrokerSnapshot) -> list[Discrepancy]:
    """Return the findings with their values at stake, as far as these are known."""
    keys = {key for found in findings if (key := _key(found)) is not None}
    local_rows, broker_rows = _rows(local.positions, keys), _rows(broker.positions, keys)
    currency = broker.account.currency or local.currency
    return [
        replace(found, value=_balance_value(found, currency))
        if (key := _key(found)) is None
        else replace(found, value=_position_value(found, local_rows.get(key, ()), broker_rows.get(key, ())))
        for found in findings
    ]


def _key(found: Discrepancy) -> PositionKey | None:
    if DISCREPANCY_TRAITS[found.type].level is Level.ACCOUNT or found.symbol is None or found.asset_type is None:
        return None
    return (found.symbol, found.asset_type)


def _rows(
    positions: Iterable[PositionLike | BrokerPosition], keys: set[PositionKey]
) -> Mapping[PositionKey, list[_Row]]:
    found: dict[PositionKey, list[_Row]] = {}
    for position in positions if keys else ():
        key = (position.symbol, position.asset_type)
        if key in keys and position.quantity:
            found.setdefault(key, []).append(_row(position))
    return found


def _row(position: PositionLike | BrokerPosition) -> _Row:
    row = _Row(
        quantity=exact_decimal(position.quantity, "quantity"),
        avg_cost=optional_decimal(position.avg_cost, "avg_cost"),
    )
    if not isinstance(position, (LocalPosition, BookRow, BrokerPosition)):
        return row
    market_value = position.market_value if isinstance(position, BrokerPosition) else None
    return replace(row, market_value=market_value, currency=position.currency, multiplier=position.multiplier)


def _balance_value(found: Discrepancy, currency: str | None) -> ValueAtStake:
    amount = _rounded(_difference(found))
    return ValueAtStake(amount=amount, currency=found.currency or currency, basis=ValueBasis.AMOUNT)


def _position_value(found: Discrepancy, local: Sequence[_Row], broker: Sequence[_Row]) -> ValueAtStake | None:
    currencies = {row.currency for row in (*broker, *local) if row.currency is not None}
    if len(currencies) > 1:
        return None
    currency = next(iter(currencies), None)
    if DISCREPANCY_TRAITS[found.type].measure is Measure.COST:
        multiplier = _multiplier(found, local, broker)
        if multiplier is None:
            return None
        held = EXACT.abs(exact_sum(row.quantity for row in broker or local))
        amount = _product(_difference(found), held, multiplier)
        return ValueAtStake(amount=amount, currency=currency, basis=ValueBasis.COST)
    unit = _unit_market_value(broker)
    if unit is not None:
        amount = _product(_difference(found), unit)
        return ValueAtStake(amount=amount, currency=currency, basis=ValueBasis.MARKET_VALUE)
    cost, multiplier = _average_cost(broker) or _average_cost(local), _multiplier(found, local, broker)
    if cost is None or multiplier is None:
        return None
    amount = _product(_difference(found), EXACT.abs(cost), multiplier)
    return ValueAtStake(amount=amount, currency=currency, basis=ValueBasis.COST)


def _difference(found: Discrepancy) -> Decimal:
    """Return how far the sides are apart; a missing side has nothing."""
    return EXACT.abs(EXACT.subtract(found.broker_value or Decimal(0), found.local_value or Decimal(0)))


def _unit_market_value(rows: Sequence[_Row]) -> Decimal | None:
    """Return the market value of one unit, multiplier included; of opposite legs, both count.

    A holding that is worth nothing is most likely one without a price: None.
    """
    values = [row.market_value for row in rows if row.market_value is not None]
    if not rows or len(values) < len(rows):
        return None
    held = exact_sum(EXACT.abs(row.quantity) for row in rows)
    return AVERAGE.divide(exact_sum(EXACT.abs(value) for value in values), held) or None


def _average_cost(rows: Sequence[_Row]) -> Decimal | None:
    costs = [(EXACT.abs(row.quantity), row.avg_cost) for row in rows if row.avg_cost is not None]
    if not rows or len(costs) < len(rows):
        return None
    total = exact_sum(EXACT.multiply(held, cost) for held, cost in costs)
    return AVERAGE.divide(total, exact_sum(held for held, _ in costs))


def _multiplier(found: Discrepancy, local: Sequence[_Row], broker: Sequence[_Row]) -> Decimal | None:
    """Return the units of one contract; None where they are not known, or the sides disagree."""
    stated = {row.multiplier for row in (*broker, *local) if row.multiplier is not None}
    if len(stated) > 1:
        return None
    default = Decimal(1) if found.asset_type in _UNIT_TYPES else None
    return next(iter(stated), default)


def _product(*factors: Decimal) -> Decimal:
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, factor)
    return _rounded(product)


def _rounded(amount: Decimal) -> Decimal:
    return EXACT.quantize(amount, _CENT if amount >= _CENT or not amount else _FINEST)
