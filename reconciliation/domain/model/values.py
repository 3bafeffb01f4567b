"""Numbers, times and texts: what they must look like to get in, exact arithmetic, and how they are written."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import TypeGuard

from reconciliation.errors import InvalidInputError

#: Enough for any price with 20 digits times any quantity; a longer number is garbage, not money.
MAX_DIGITS = 60

#: No name of anything is longer; a longer one is a payload in the wrong field.
MAX_NAME_CHARACTERS = 128
#: A note by a person.
MAX_NOTE_CHARACTERS = 2_000
#: A run's context is kept with the run, and published.
MAX_JSON_CHARACTERS = 16_000
MAX_JSON_DEPTH = 20
#: Of a bad value, in a message.
MAX_SHOWN_CHARACTERS = 60
#: Control characters but tab and the ends of lines, and halves of a pair of surrogates: no UTF-8 holds those.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

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


def checked_text(value: object, what: str, *, max_characters: int = MAX_NAME_CHARACTERS, lines: bool = False) -> str:
    """Return a text from outside: not blank, of bounded length, and nothing in it that a database or a log refuses.

    Args:
        value: what was given.
        what: its name, for the message.
        max_characters: its greatest length.
        lines: whether it may have several lines, and any character that is not a control character.

    Raises:
        InvalidInputError: it is no such text.
    """
    if not isinstance(value, str) or not value or value.isspace():
        raise InvalidInputError(f"{what}: {shown(value)} is not a text; send a string that is not empty")
    if len(value) > max_characters:
        raise InvalidInputError(f"{what}: has {len(value)} characters; at most {max_characters} are allowed")
    if not value.isprintable() and not (lines and _UNWRITABLE.search(value) is None):
        raise InvalidInputError(f"{what}: holds characters that cannot be printed; send plain text")
    return value


def checked_name(value: object, what: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    """Return a text that names something: also without blanks around it.

    Raises:
        InvalidInputError: it is no such text.
    """
    name = checked_text(value, what, max_characters=max_characters)
    if name != name.strip():
        raise InvalidInputError(f"{what}: {shown(name)} has blanks around it; send it without them")
    return name


def checked_json(value: object, what: str) -> None:
    """Check a JSON object from outside: small, and each of its texts and numbers can be written everywhere.

    Raises:
        InvalidInputError: it is too large or too deep, or holds what no database or log takes.
    """
    waiting, size = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        size += len(part) if isinstance(part, str) else 1
        if size > MAX_JSON_CHARACTERS or depth > MAX_JSON_DEPTH:
            limits = f"{MAX_JSON_CHARACTERS} characters and {MAX_JSON_DEPTH} levels"
            raise InvalidInputError(f"{what}: is too large; at most {limits} are allowed")
        if isinstance(part, str) and _UNWRITABLE.search(part):
            raise InvalidInputError(f"{what}: holds characters that cannot be printed; send plain text")
        if isinstance(part, float) and not math.isfinite(part):
            raise InvalidInputError(f"{what}: holds {part!r}, which is not a finite number")
        inside = [*part.keys(), *part.values()] if isinstance(part, Mapping) else part if _is_list(part) else ()
        waiting.extend((each, depth + 1) for each in inside)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple))


def shown(value: object) -> str:
    """Return a bad value as a message shows it: never longer than a line."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 3]}..."


def aware_utc(value: datetime) -> datetime:
    """Return `value` in UTC; a naive datetime is taken as UTC."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value.astimezone(UTC)
