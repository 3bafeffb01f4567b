"""Words of a side column: which of them mean long (bought), and which mean short (sold)."""

from collections.abc import Sequence
from decimal import Decimal

#: Compared without regard to case.
LONG_WORDS = ("long", "buy", "b", "l", "1", "+", "bought")
SHORT_WORDS = ("short", "sell", "s", "-1", "-", "sold", "sell_short", "sellshort", "ss")


def signed(
    quantity: Decimal, side: str, long: Sequence[str] = LONG_WORDS, short: Sequence[str] = SHORT_WORDS
) -> Decimal | None:
    """Return a quantity with the sign that its side gives it; None where the side is none of these words."""
    word = side.casefold()
    if word in {known.casefold() for known in long}:
        return quantity
    # Not `-quantity`: that would round to the precision of the decimal context.
    return quantity.copy_negate() if word in {known.casefold() for known in short} else None
