"""Numbers as spreadsheets and back offices print them, read by the signs that the mapping names and by no others."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError

_MINUS_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-"})
_SPACES = " \u00a0\u202f"
_CURRENCY_SIGNS = "$€£¥₹"

#: How digits stand in groups: 1,234,567 or, in India, 12,34,567.
GROUPINGS = {"threes": r"\d{{1,3}}(?:{sign}\d{{3}})+", "indian": r"\d{{1,2}}(?:{sign}\d{{2}})*{sign}\d{{3}}"}


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """Which signs a file uses."""

    decimal: str = "."
    thousands: str = ""
    #: One of `GROUPINGS`.
    grouping: str = "threes"
    #: Words that may stand before or behind a number, such as Stk. or EUR.
    units: tuple[str, ...] = ()

    def parse(self, text: str, what: str) -> Decimal:
        """Return the number.

        Raises:
            InvalidInputError: it is none in this style.
        """
        plain = text.strip().translate(_MINUS_SIGNS)
        in_brackets = plain.startswith("(") and plain.endswith(")")
        if in_brackets:
            plain = plain[1:-1]
        found = self._pattern.fullmatch(plain)
        if found is None:
            raise InvalidInputError(
                f"{what}: {text!r} is not a number written with {self.decimal!r} for decimals and "
                f"{self.thousands or 'nothing'!r} for thousands: see file.decimal and file.thousands of the mapping"
            )
        minus_signs = [sign for sign in (found["before"], found["inside"], found["behind"]) if sign]
        if len(minus_signs) + in_brackets > 1:
            raise InvalidInputError(f"{what}: {text!r} has more than one sign")
        whole = found["whole"] or ""
        for sign in self._group_signs:
            whole = whole.replace(sign, "")
        fraction = found["fraction"] or found["only_fraction"]
        digits = f"{whole}.{fraction}" if fraction else whole
        value = exact_decimal(digits + (found["exponent"] or ""), what)
        return -value if in_brackets or "-" in minus_signs else value

    @property
    def _group_signs(self) -> str:
        """What may stand between groups: any kind of space is a space."""
        return _SPACES if self.thousands and self.thousands in _SPACES else self.thousands

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        whole = r"\d+"
        if self.thousands:
            grouped = GROUPINGS[self.grouping].format(sign=f"[{re.escape(self._group_signs)}]")
            whole = rf"(?:{grouped}|\d+)"
        point = re.escape(self.decimal)
        words = "|".join([f"[{_CURRENCY_SIGNS}]", *(re.escape(word) for word in self.units)])
        unit, space = rf"(?:{words})?", rf"[{_SPACES}]?"
        return re.compile(
            rf"'?(?P<before>[+-]?){space}{unit}{space}(?P<inside>[+-]?)"
            rf"(?:(?P<whole>{whole})(?:{point}(?P<fraction>\d*))?|{point}(?P<only_fraction>\d+))"
            rf"(?P<exponent>[eE][+-]?\d{{1,2}})?(?P<behind>-?){space}{unit}",
            re.ASCII,
        )
