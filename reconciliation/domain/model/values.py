"""Numbers and times: what they must look like to get in, exact arithmetic, and how they are written."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation

from reconciliation.errors import InvalidInputError

#: Enough for any price with 20 digits times any quantity; a longer number is garbage, not money.
MAX_DIGITS = 60

#: Sums, differences and products of such numbers are exact in it; the default context would round at 28 digits.
EXACT = Context(prec=6 * MAX_DIGITS)

#: An average cost that does not come out even has this many digits: those of IEEE 754 decimal128.
AVERAGE = Context(prec=34)


def exact_decimal(value: Decimal | float | str, what: str) -> Decimal:
    """Return `value` as a finite Decimal, digit for digit.

    A float enters by its shortest text (`Decimal(str(x))`), so that 0.1 stays 0.1.

    Raises:
        InvalidInputError: not a number, NaN, infinite, a bool, or more than `MAX_DIGITS` digits.
    """
    text = ""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidInputError(f"{what}: {value!r} is not a number but a {type(value).__name__}")
    else:
        text = str(value).strip()
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise InvalidInputError(f"{what}: {value!r} is not a number") from None
        if "_" in text:  # Python's way to group digits; in a book it is a fault
            raise InvalidInputError(f"{what}: {value!r} is not a number")
    if not number.is_finite():
        raise InvalidInputError(f"{what}: {value!r} is not a finite number")
    # A short text has few digits: counting them costs more than all the rest.
    is_short = 0 < len(text) <= MAX_DIGITS
    if abs(number.adjusted()) > MAX_DIGITS or not (is_short or len(number.as_tuple().digits) <= MAX_DIGITS):
        raise InvalidInputError(f"{what}: a number of more than {MAX_DIGITS} digits is not plausible")
    return number


def optional_decimal(value: Decimal | float | str | None, what: str) -> Decimal | None:
    """Return None for None (unknown), else `exact_decimal`."""
    return None if value is None else exact_decimal(value, what)


def exact_sum(numbers: Iterable[Decimal]) -> Decimal:
    """Return the sum, digit for digit."""
    total = Decimal(0)
    for number in numbers:
        total = EXACT.add(total, number)
    return total


def decimal_text(number: Decimal | None) -> str | None:
    """Return a number as JSON and files hold it: digit for digit, without an exponent. None stays None."""
    return None if number is None else f"{number:f}"


def aware_utc(value: datetime) -> datetime:
    """Return `value` in UTC; a naive datetime is taken as UTC."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value.astimezone(UTC)
