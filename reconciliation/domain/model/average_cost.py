"""Positions from fills: added up in their order, with the average cost of what is left."""

from collections.abc import Iterable
from decimal import Context, Decimal

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow
from reconciliation.domain.model.values import EXACT

#: Far more digits than money has, so that a long history of divisions doesn't show.
_STEPS = Context(prec=60)
#: Digits of the result: those of IEEE 754 decimal128.
_RESULT = Context(prec=34)


def add_up(fills: Iterable[BookRow]) -> list[BookRow]:
    """Return one row for each (symbol, asset type) that is not flat; a fill's `avg_cost` is its price.

    Buying more averages the cost, selling leaves it, and going through zero starts anew at the fill's price.
    """
    held: dict[tuple[str, AssetType], BookRow] = {}
    for fill in fills:
        key = (fill.symbol, fill.asset_type)
        held[key] = _after(held[key], fill) if key in held else fill
    return [
        row._replace(avg_cost=None if row.avg_cost is None else _RESULT.plus(row.avg_cost))
        for row in held.values()
        if row.quantity
    ]


def _after(held: BookRow, fill: BookRow) -> BookRow:
    quantity = EXACT.add(held.quantity, fill.quantity)
    return fill._replace(quantity=quantity, avg_cost=_cost(held, fill, quantity))


def _cost(held: BookRow, fill: BookRow, quantity: Decimal) -> Decimal | None:
    if not held.quantity:
        return fill.avg_cost
    if not fill.quantity:
        return held.avg_cost
    if (held.quantity > 0) == (fill.quantity > 0):
        if held.avg_cost is None or fill.avg_cost is None:
            return None
        total = _STEPS.fma(held.quantity, held.avg_cost, EXACT.multiply(fill.quantity, fill.avg_cost))
        return _STEPS.divide(total, quantity)
    crossed = quantity and (quantity > 0) != (held.quantity > 0)
    return fill.avg_cost if crossed else held.avg_cost
