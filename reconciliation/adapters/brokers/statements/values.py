"""Numbers and dates as statement files write them; anything else is an error."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from reconciliation.adapters.brokers.statements.limits import MAX_NUMBER_CHARACTERS, MAX_QUOTED_CHARACTERS
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
#: A day, and perhaps a time behind a separator or none, and perhaps a zone behind the time.
_MOMENT = re.compile(
    r"(\d{8}|\d{4}-\d\d-\d\d|\d\d-[A-Za-z]{3}-\d\d)"
    r"(?:[;, T]*(\d{6}|\d\d:\d\d:\d\d|\d{4}) ?(?:([A-Z]{1,5}))?)?",
    re.ASCII,
)
#: By the length of the day and of the time as they are written.
_DAYS = {8: "%Y%m%d", 10: "%Y-%m-%d", 9: "%d-%b-%y"}
_TIMES = {6: "%H%M%S", 8: "%H:%M:%S", 4: "%H%M"}
_MAX_MOMENT_CHARACTERS = 40
#: Hours from UTC of the zones that brokers name. IST, which is three zones, is left out.
HOURS_BY_ZONE = {
    "UTC": 0, "GMT": 0, "Z": 0, "BST": 1, "CET": 1, "CEST": 2, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5,
    "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "HKT": 8, "SGT": 8, "JST": 9, "AEST": 10, "AEDT": 11,
}  # fmt: skip


def shortened(text: str) -> str:
    """Return the beginning of a text, for a message that quotes it."""
    return text if len(text) <= MAX_QUOTED_CHARACTERS else f"{text[:MAX_QUOTED_CHARACTERS]}…"


def number(text: str, what: str) -> Decimal:
    """Return the number that `text` is.

    Raises:
        InvalidInputError: anything else; also what Python would take, such as 1_000 and digits of other scripts.
    """
    stripped = text.strip()
    if len(stripped) > MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(stripped):
        raise InvalidInputError(f"{what}: {shortened(text)!r} is not a number")
    return exact_decimal(stripped, what)


def optional_number(text: str | None, what: str) -> Decimal | None:
    """Return None for nothing written, else `number`."""
    return number(text, what) if text is not None and text.strip() else None


def date_and_time(text: str, what: str) -> datetime:
    """Return the moment that `text` names, as UTC: 20230302, 2025-01-15, 15-Jan-25, each with or without a time.

    The time stands behind a semicolon, comma, blank, T or nothing; a zone may follow it (`20260131;093722 EST`).

    A date alone is its midnight: data never count as newer than they certainly are.

    Raises:
        InvalidInputError: anything else; 01/02/2025 is not accepted, because it may be two days.
    """
    moment = _moment(text) if len(text) <= _MAX_MOMENT_CHARACTERS else None
    if moment is None:
        raise InvalidInputError(f"{what}: {shortened(text)!r} is not a date: write it as 20250115 or 2025-01-15")
    return moment


@lru_cache(maxsize=256)  # the rows of a file bear a handful of dates, and strptime is what reading them would cost
def _moment(text: str) -> datetime | None:
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    day, time, zone = found.groups()
    written, pattern = f"{day} {time or ''}".strip(), f"{_DAYS[len(day)]} {_TIMES[len(time)] if time else ''}".strip()
    if zone is not None and zone not in HOURS_BY_ZONE:
        return None
    try:
        local = datetime.strptime(written, pattern).replace(tzinfo=UTC)
        return local - timedelta(hours=HOURS_BY_ZONE[zone or "UTC"])
    except (ValueError, OverflowError):
        return None
