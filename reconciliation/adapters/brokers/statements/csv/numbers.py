"""Numbers as spreadsheets and back offices print them: (1,234.56), 1.234,56-, $5."""

import re
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.adapters.brokers.statements.values import number
from reconciliation.errors import InvalidInputError

_DROPPED = str.maketrans("", "", "$€£¥ \t\u00a0\u202f'")
_MINUS_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-"})


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """Which signs a file uses."""

    decimal: str = "."
    thousands: str = ""

    def parse(self, text: str, what: str) -> Decimal:
        """Return the number.

        Raises:
            InvalidInputError: it is none in this style; thousands signs must stand before each three digits.
        """
        plain = text.strip().translate(_MINUS_SIGNS)
        negative = plain.startswith("(") and plain.endswith(")")
        if negative:
            plain = plain[1:-1]
        if plain.endswith("-"):
            plain = f"-{plain[:-1]}"
        plain = self._without_thousands(plain.translate(_DROPPED))
        try:
            value = number(plain, what)
        except InvalidInputError:
            raise InvalidInputError(
                f"{what}: {text!r} is not a number written with {self.decimal!r} for decimals and "
                f"{self.thousands or 'nothing'!r} for thousands: see file.decimal and file.thousands of the mapping"
            ) from None
        if negative and value < 0:
            raise InvalidInputError(f"{what}: {text!r} is negative twice")
        return -value if negative else value

    def _without_thousands(self, text: str) -> str:
        whole, sign, fraction = text.partition(self.decimal)
        if self.thousands:
            grouped = re.fullmatch(rf"[+-]?\d{{1,3}}({re.escape(self.thousands)}\d{{3}})+", whole)
            if grouped:
                whole = whole.replace(self.thousands, "")
        if sign and self.decimal != "." and "." in fraction:
            return text
        return f"{whole}.{fraction}" if sign else whole
