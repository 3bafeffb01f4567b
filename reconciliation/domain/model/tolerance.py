"""How far two numbers may be apart: tolerances as data, and the choice of the one that applies.

Bounds are inclusive: a difference of exactly the tolerance is within it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from reconciliation.domain.model.values import EXACT, exact_decimal
from reconciliation.errors import InvalidInputError

Measure = Literal["quantity", "cost"]


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """An allowed difference. Where several kinds are given, the widest counts."""

    #: In the unit of the numbers.
    absolute: Decimal = Decimal(0)
    #: A fraction of the larger magnitude of both sides (so that the sides may be swapped): 0.0001 is 1 basis point.
    relative: Decimal = Decimal(0)
    #: The smallest step that a book keeps; half of it is rounding. The rule follows Beancount's inferred tolerance.
    unit: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for name in ("absolute", "relative", "unit"):
            number = exact_decimal(getattr(self, name), f"tolerance {name}")
            if number < 0:
                raise InvalidInputError(f"tolerance {name} is {number}: it must not be negative")
            object.__setattr__(self, name, number)

    def covers(self, left: Decimal, right: Decimal) -> bool:
        """Say whether both numbers count as equal. Symmetric in its arguments."""
        if left == right:
            return True
        difference = EXACT.abs(EXACT.subtract(left, right))
        if difference <= self.absolute or EXACT.multiply(difference, Decimal(2)) <= self.unit:
            return True
        larger = max(EXACT.abs(left), EXACT.abs(right))
        return difference <= EXACT.multiply(self.relative, larger)


EXACT_QUANTITY = Tolerance()
DEFAULT_COST = Tolerance(relative=Decimal("0.0001"))


@dataclass(frozen=True, kw_only=True)
class ToleranceRule:
    """A tolerance for some positions: None in a selector means "any"."""

    measure: Measure
    tolerance: Tolerance
    account_id: str | None = None
    asset_type: str | None = None
    symbol: str | None = None

    def __post_init__(self) -> None:
        if self.measure not in ("quantity", "cost"):
            raise InvalidInputError(f"tolerance measure {self.measure!r} is not one of: quantity, cost")

    @property
    def specificity(self) -> tuple[bool, bool, bool]:
        """Order of rules: one for a symbol beats one for an asset type beats one for an account."""
        return (self.symbol is not None, self.asset_type is not None, self.account_id is not None)

    def applies_to(self, account_id: str, symbol: str, asset_type: str) -> bool:
        return (
            self.account_id in (None, account_id)
            and self.asset_type in (None, asset_type)
            and self.symbol in (None, symbol)
        )


class ToleranceTable:
    """The tolerances of one account: the most specific rule wins, of equals the last."""

    def __init__(self, account_id: str, rules: Iterable[ToleranceRule] = ()) -> None:
        relevant = [rule for rule in rules if rule.account_id in (None, account_id)]
        ordered = sorted(relevant, key=lambda rule: rule.specificity)[::-1]
        self._account_id = account_id
        self._rules = {
            "quantity": tuple(rule for rule in ordered if rule.measure == "quantity"),
            "cost": tuple(rule for rule in ordered if rule.measure == "cost"),
        }

    def quantity(self, symbol: str, asset_type: str) -> Tolerance:
        return self._find("quantity", symbol, asset_type, EXACT_QUANTITY)

    def cost(self, symbol: str, asset_type: str) -> Tolerance:
        return self._find("cost", symbol, asset_type, DEFAULT_COST)

    def _find(self, measure: Measure, symbol: str, asset_type: str, default: Tolerance) -> Tolerance:
        for rule in self._rules[measure]:
            if rule.applies_to(self._account_id, symbol, asset_type):
                return rule.tolerance
        return default


def within_percent(local: Decimal, broker: Decimal, percent: Decimal) -> bool:
    """Say whether `broker` is within `percent` % of the absolute `local`, inclusive.

    Zero `local` allows nothing but zero. No division, so the bound is exact.
    """
    difference = EXACT.abs(EXACT.subtract(local, broker))
    return EXACT.multiply(difference, Decimal(100)) <= EXACT.multiply(percent, EXACT.abs(local))
