"""The lots of one instrument as one: quantities summed exactly, costs weighted by them. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from reconciliation.domain.model.values import AVERAGE, EXACT, exact_sum

#: Signed quantity, and cost per unit or None where it is not known.
Lot = tuple[Decimal, Decimal | None]


def sum_of_lots(lots: Sequence[Lot]) -> Lot:
    """Return the sum of the quantities and the average cost.

    The cost is None if any is unknown, if the sum is zero, or if long and short lots are mixed: opposite legs have no
    common cost.
    """
    quantity = exact_sum(lot_quantity for lot_quantity, _ in lots)
    held = [lot for lot in lots if lot[0]]
    costs = {cost for _, cost in held}
    if not quantity or None in costs or has_opposite_legs(held):
        return quantity, None
    if len(costs) == 1:
        return quantity, costs.pop()
    total = Decimal(0)
    for lot_quantity, cost in held:
        total = EXACT.fma(lot_quantity, cost or Decimal(0), total)
    return quantity, AVERAGE.divide(total, quantity)


def has_opposite_legs(lots: Sequence[Lot]) -> bool:
    """Say whether some lots are long and others short."""
    return len({quantity > 0 for quantity, _ in lots if quantity}) > 1


def gross_quantity(lots: Sequence[Lot]) -> Decimal:
    """Return long plus short, without the sign."""
    return exact_sum(EXACT.abs(quantity) for quantity, _ in lots)
