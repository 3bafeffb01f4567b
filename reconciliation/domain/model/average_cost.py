"""Positions from fills, with the average cost of what is left. One algorithm for user tables and the paper broker."""

from collections.abc import Iterable
from decimal import Context, Decimal

from reconciliation.domain.model.instruments import PositionKey
from reconciliation.domain.model.snapshots import BookRow
from reconciliation.domain.model.values import AVERAGE, EXACT, MAX_DIGITS

#: Far more digits than money has, so that the roundings of a long history do not show in `AVERAGE` digits.
_STEPS = Context(prec=MAX_DIGITS)

#: Signed quantity, and average cost per unit or None where it is not known.
Held = tuple[Decimal, Decimal | None]


def after_fill(held: Held, quantity: Decimal, price: Decimal | None) -> Held:
    """Return what is held after a fill of a signed quantity at a price.

    Adding to a position averages the cost. Reducing it leaves the cost. Going through zero takes the fill's price.
    Show the cost by `shown_cost` only when no more fills follow.
    """
    held_quantity, cost = held
    total = EXACT.add(held_quantity, quantity)
    if not held_quantity:
        return total, price
    if not quantity:
        return held
    if (held_quantity > 0) == (quantity > 0):
        if cost is None or price is None:
            return total, None
        paid = EXACT.fma(held_quantity, cost, EXACT.multiply(quantity, price))
        return total, _STEPS.divide(paid, total)
    went_through_zero = total and (total > 0) != (held_quantity > 0)
    return total, price if went_through_zero else cost


def shown_cost(cost: Decimal | None) -> Decimal | None:
    """Return a cost of `after_fill` in the digits that people and the comparison see."""
    return None if cost is None else AVERAGE.plus(cost)


def positions_from_fills(fills: Iterable[BookRow]) -> list[BookRow]:
    """Return one row for each (symbol, asset type) that is not flat; a fill's `avg_cost` is its price."""
    positions: dict[PositionKey, BookRow] = {}
    for fill in fills:
        key = (fill.symbol, fill.asset_type)
        before = positions.get(key)
        held = (Decimal(0), None) if before is None else (before.quantity, before.avg_cost)
        quantity, cost = after_fill(held, fill.quantity, fill.avg_cost)
        positions[key] = fill._replace(quantity=quantity, avg_cost=cost)
    return [row._replace(avg_cost=shown_cost(row.avg_cost)) for row in positions.values() if row.quantity]
