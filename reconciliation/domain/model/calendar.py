"""Business days of a named zone: Monday to Friday, without the holidays that are given. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from reconciliation.errors import InvalidInputError

_SATURDAY = 5


@dataclass(frozen=True, kw_only=True)
class BusinessCalendar:
    """Which day a moment is, and how many business days lie between two."""

    #: An IANA name, such as America/New_York.
    zone: str = "UTC"
    #: Sorted; a tuple, so that it is written in one way only.
    holidays: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        _tzinfo(self.zone)
        object.__setattr__(self, "holidays", tuple(sorted(set(self.holidays))))

    def day_of(self, moment: datetime) -> date:
        """Return the day of a moment in the zone. Midnight UTC is a date without a time, and stays that date."""
        moment = moment.astimezone(UTC)
        if moment.time() == time():
            return moment.date()
        return moment.astimezone(_tzinfo(self.zone)).date()

    def is_older(self, as_of: datetime, now: datetime, business_days: float) -> bool:
        """Say whether more than this many business days have come since `as_of`, today included."""
        day, today, passed = self.day_of(as_of), self.day_of(now), 0
        while day < today and passed <= business_days:
            day += timedelta(days=1)
            passed += day.weekday() < _SATURDAY and day not in self.holidays
        return passed > business_days


def read_calendar(zone: Any, holidays: Any) -> BusinessCalendar:
    """Return the calendar of a zone's name and a list of days, each as 2026-12-25.

    Raises:
        InvalidInputError: the zone is not known, or a day cannot be read.
    """
    try:
        return BusinessCalendar(zone=zone, holidays=tuple(date.fromisoformat(day) for day in holidays))
    except (TypeError, ValueError):
        raise InvalidInputError(f"holidays {holidays!r} is not a list of days: write each as 2026-12-25") from None


def _tzinfo(name: str) -> tzinfo:
    if name == "UTC":  # known without a zone database
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInputError(f"{name!r} is not a time zone: write it as America/New_York") from None
