"""The lots of one instrument as one: quantities summed exactly, costs weighted by them. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from reconciliation.domain.model.values import AVERAGE, EXACT, exact_sum

#: Signed quantity, and cost per unit or None where it is not known.
Lot = tuple[Decimal, Decimal | None]


def sum_of_lots(lots: Sequence[Lot]) -> Lot:
    """Return the sum of the quantities and the average cost; None if any cost is unknown or the sum is zero."""
    quantity = exact_sum(lot_quantity for lot_quantity, _ in lots)
    held = [lot for lot in lots if lot[0]]
    costs = {cost for _, cost in held}
    if not quantity or None in costs:
        return quantity, None
    if len(costs) == 1:
        return quantity, costs.pop()
    total = Decimal(0)
    for lot_quantity, cost in held:
        total = EXACT.fma(lot_quantity, cost or Decimal(0), total)
    return quantity, AVERAGE.divide(total, quantity)
