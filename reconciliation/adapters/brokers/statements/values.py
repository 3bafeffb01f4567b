"""Numbers and dates as statement files write them; anything else is an error."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%d-%b-%y")
_TIME_FORMATS = ("%H%M%S", "%H:%M:%S", "%H%M")


def number(text: str, what: str) -> Decimal:
    """Return the number that `text` is.

    Raises:
        InvalidInputError: anything else; also what Python would take, such as 1_000 and digits of other scripts.
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise InvalidInputError(f"{what}: {text!r} is not a number")
    return exact_decimal(stripped, what)


def optional_number(text: str | None, what: str) -> Decimal | None:
    """Return None for nothing written, else `number`."""
    return number(text, what) if text is not None and text.strip() else None


def date_and_time(text: str, what: str) -> datetime:
    """Return the moment that `text` names, as UTC: 20230302, 2025-01-15, 15-Jan-25, each with or without ";hhmmss".

    A date alone is its midnight: data never count as newer than they certainly are.

    Raises:
        InvalidInputError: anything else; 01/02/2025 is not accepted, because it may be two days.
    """
    moment = _moment(text)
    if moment is None:
        raise InvalidInputError(f"{what}: {text!r} is not a date: write it as 20250115 or 2025-01-15")
    return moment


@lru_cache(maxsize=256)  # the rows of a file bear a handful of dates, and strptime is what reading them would cost
def _moment(text: str) -> datetime | None:
    day, _, time = re.sub(r"[;, T]+", " ", text.strip()).partition(" ")
    for date_format in _DATE_FORMATS:
        for time_format in _TIME_FORMATS if time else ("",):
            pattern = f"{date_format} {time_format}".strip()
            try:
                return datetime.strptime(f"{day} {time}".strip(), pattern).replace(tzinfo=UTC)
            except ValueError:
                continue
    return None
