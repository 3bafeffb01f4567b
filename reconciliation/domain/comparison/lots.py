"""Rows of one instrument, added up: quantities exactly, costs weighted by them. Pure."""

from collections.abc import Sequence
from decimal import Context, Decimal

from reconciliation.domain.model.values import EXACT

#: Digits of an average cost that does not come out even: those of IEEE 754 decimal128.
_AVERAGE = Context(prec=34)

#: Signed quantity, and cost per unit or None where it is not known.
Lot = tuple[Decimal, Decimal | None]


def add_up(lots: Sequence[Lot]) -> Lot:
    """Return the sum of the quantities and the average cost: None if it is unknown for any part, or nothing is left."""
    quantity = Decimal(0)
    for lot_quantity, _ in lots:
        quantity = EXACT.add(quantity, lot_quantity)
    held = [lot for lot in lots if lot[0]]
    costs = {cost for _, cost in held}
    if not quantity or None in costs:
        return quantity, None
    if len(costs) == 1:
        return quantity, costs.pop()
    total = Decimal(0)
    for lot_quantity, cost in held:
        total = EXACT.fma(lot_quantity, cost or Decimal(0), total)
    return quantity, _AVERAGE.divide(total, quantity)
