"""What the fill windows promise, written down a second time and much simpler: the oracle of the state machine.

It knows the fills and who holds the lock, never a counter: what a run covers is the list of fills before its start.
"""

from dataclasses import dataclass, field

from reconciliation.domain.model.fill_times import FillTimes

TIMES = FillTimes(delay_ms=5_000, max_wait_ms=12_000, lease_ms=30_000, backoff_ms=2_000, max_backoff_ms=7_000)


@dataclass
class Message:
    """A countdown on its way."""

    account_id: str
    token: str
    arrives_at: int


@dataclass
class Run:
    """A run that a worker makes, or made before it crashed or stalled."""

    account_id: str
    token: str
    covers: list[int]
    lease_until: int


@dataclass
class Account:
    """The fills of one account that no completed run covers (as times of noting), and its lock."""

    fills: list[int] = field(default_factory=list)
    token: str | None = None
    lease_until: int = 0
    due_at: int = 0
    not_before: int = 0
    tries: int = 0
    run: Run | None = None
    enabled: bool = True
    #: Workers that died in runs since the last one that ended.
    crashes: int = 0
    #: Its place among the windows that are due; None: it does not wait.
    score: int | None = None

    def record(self, now: int, count: int) -> bool:
        """Return whether the report must be answered by a countdown."""
        is_free = self.is_free(now)
        if is_free:
            self.crashes += self.run is not None
            self.run = None
        waiting = self.waiting()
        self.fills += [now] * count
        first = waiting[0] if waiting else now
        self.plan(now, first)
        return is_free

    def plan(self, last: int, first: int) -> None:
        self.due_at = max(min(last + TIMES.delay_ms, first + TIMES.max_wait_ms), self.not_before)

    def is_free(self, now: int) -> bool:
        return not self.fills or self.lease_until <= now

    def waiting(self) -> list[int]:
        """Return the fills that a run in progress would not cover."""
        return self.fills[len(self.run.covers) :] if self.run else self.fills

    def wait(self, now: int, token: str) -> int:
        self.token, self.run = token, None
        self.score = max(now, self.due_at)
        self.lease_until = self.score + TIMES.lease_ms
        return max(0, self.due_at - now)

    def start(self, now: int, account_id: str, token: str) -> Run:
        self.lease_until = now + TIMES.lease_ms
        self.token, self.score = token, None
        self.run = Run(account_id, token, list(self.fills), self.lease_until)
        return self.run

    def settle(self, run: Run) -> bool:
        """Return whether fills came during the run, so that a countdown must follow."""
        del self.fills[: len(run.covers)]
        self.run, self.tries, self.not_before, self.crashes = None, 0, 0, 0
        if not self.fills:
            self.token = None
        return bool(self.fills)

    def back_off(self, now: int) -> None:
        self.run, self.crashes = None, 0
        self.tries += 1
        self.not_before = now + min(TIMES.backoff_ms * 2 ** (self.tries - 1), TIMES.max_backoff_ms)
        self.plan(self.fills[-1], self.fills[0])

    def take_over(self) -> None:
        """What a reclaim does before it leases: a dead run's fills are first in line again."""
        self.crashes += self.run is not None
        self.run = None
        self.plan(self.fills[-1], self.fills[0])

    def forget(self) -> None:
        was_enabled = self.enabled
        self.__init__(enabled=was_enabled)  # type: ignore[misc]
