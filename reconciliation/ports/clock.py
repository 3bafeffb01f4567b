"""The port to the one clock that orders runs, whichever host makes them."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """A clock that all workers share."""

    def refresh(self) -> None:
        """Read the shared clock. Blocking; it never raises."""
        ...

    def now(self) -> datetime:
        """Return the time, from the last reading on. Never blocks."""
        ...
