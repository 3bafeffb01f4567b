"""The times of fill windows: when an account is run after its fills, and how long it waits after an incomplete run."""

from dataclasses import dataclass

from reconciliation.errors import ConfigurationError


def due_at(*, first: float, last: float, delay: float, max_wait: float, not_before: float = 0) -> float:
    """Return when a window is due whose first and last fill came at these times, in whatever unit they are.

    That is `delay` after the last fill, never later than `max_wait` after the first, never before a back-off is over.
    """
    return max(min(last + delay, first + max_wait), not_before)


@dataclass(frozen=True, kw_only=True)
class FillTimes:
    """Times in milliseconds; the defaults are those of the settings.

    Raises:
        ConfigurationError: they cannot work together.
    """

    delay_ms: int = 5_000
    max_wait_ms: int = 60_000
    lease_ms: int = 120_000
    backoff_ms: int = 5_000
    max_backoff_ms: int = 300_000

    def __post_init__(self) -> None:
        if self.delay_ms < 0 or min(self.max_wait_ms, self.lease_ms, self.backoff_ms) <= 0:
            raise ConfigurationError("post-fill times must be positive; the delay alone may be zero")
        if self.max_wait_ms < self.delay_ms:
            raise ConfigurationError(
                f"post_fill_max_wait_seconds ({self.max_wait_ms / 1000}) is below post_fill_delay_seconds "
                f"({self.delay_ms / 1000}): the ceiling would end every window early"
            )
        if self.max_backoff_ms < self.backoff_ms:
            raise ConfigurationError("post_fill_max_backoff_seconds is below post_fill_backoff_seconds")

    def backoff_after(self, incomplete_runs: int) -> int:
        """Return the wait in ms after this many incomplete runs in a row."""
        return int(min(self.backoff_ms * 2 ** (incomplete_runs - 1), self.max_backoff_ms))
