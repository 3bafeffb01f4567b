"""Fill windows in memory, by a clock that the test moves. For one process; they pass the contract suite of the port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.model.fill_times import FillTimes, due_at
from reconciliation.domain.model.runs import Fence
from reconciliation.errors import CoordinationError
from reconciliation.ports.fill_windows import (
    DelayedWakeUp,
    FillOutcome,
    FillReport,
    Finish,
    FinishOutcome,
    RecordedFill,
    RunClaim,
)


@dataclass
class _Window:
    #: Times of the fills that no completed run covers, and how many a run in progress covers.
    fills: list[int] = field(default_factory=list)
    last_fill: Mapping[str, str | None] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    token: str = ""
    lease_until_ms: int = 0
    covered: int = 0
    is_running: bool = False
    tries: int = 0
    not_before_ms: int = 0


class MemoryFillWindows:
    """A `FillWindows`; `is_away` as Redis may be, `unregistered` and `disabled` as accounts may be."""

    def __init__(self, times: FillTimes | None = None) -> None:
        self.times = times or FillTimes()
        self.now_ms = 1_800_000_000_000
        self.is_away = False
        self.unregistered: set[str] = set()
        self.disabled: set[str] = set()
        self.reports: list[FillReport] = []
        self.windows: dict[str, _Window] = {}
        self._fence = 0

    def record(self, reports: Sequence[FillReport]) -> list[RecordedFill]:
        self._reach()
        self.reports += reports
        return [self._record(report) for report in reports]

    def claim(self, account_id: str, token: str) -> RunClaim | DelayedWakeUp | None:
        self._reach()
        window = self.windows.get(account_id)
        if window is None or window.token != token:
            return None
        if self.now_ms < self._due_ms(window):
            return self._wait(account_id, window)
        self._hold(window, self.now_ms)
        window.is_running, window.covered, self._fence = True, len(window.fills), self._fence + 1
        return RunClaim(
            account_id=account_id,
            token=window.token,
            fill_count=window.covered,
            last_fill=window.last_fill,
            first_fill_at=_time(window.fills[0]),
            last_fill_at=_time(window.fills[-1]),
            fence=Fence(scope="post_fill", number=self._fence),
        )

    def complete(self, account_id: str, token: str) -> Finish:
        self._reach()
        window = self.windows.get(account_id)
        if window is None or window.token != token:
            return Finish(outcome=FinishOutcome.NO_WINDOW if window is None else FinishOutcome.SUPERSEDED)
        del window.fills[: window.covered]
        window.is_running, window.covered, window.tries, window.not_before_ms = False, 0, 0, 0
        if not window.fills:
            del self.windows[account_id]
            return Finish(outcome=FinishOutcome.SETTLED)
        return Finish(outcome=FinishOutcome.CONTINUED, wake_up=self._wait(account_id, window))

    def incomplete(self, account_id: str, token: str) -> Finish:
        self._reach()
        window = self.windows.get(account_id)
        if window is None or window.token != token:
            return Finish(outcome=FinishOutcome.NO_WINDOW if window is None else FinishOutcome.SUPERSEDED)
        window.is_running, window.covered, window.tries = False, 0, window.tries + 1
        window.not_before_ms = self.now_ms + self.times.backoff_after(window.tries)
        return Finish(outcome=FinishOutcome.CONTINUED, wake_up=self._wait(account_id, window))

    def reclaim_expired(self, limit: int, queued: int = 0) -> list[DelayedWakeUp]:
        self._reach()
        expired = [name for name, window in self.windows.items() if window.lease_until_ms <= self.now_ms]
        expired.sort(key=lambda name: self.windows[name].lease_until_ms)
        return [
            self._wait(name, self.windows[name]) for name in expired[: max(0, min(limit, len(self.windows) - queued))]
        ]

    def activity(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        self._reach()
        return {name: FillActivity(at_ms=self.now_ms, since_ms=0, last_ms={}) for name in account_ids}

    def _record(self, report: FillReport) -> RecordedFill:
        window = self.windows.get(report.account_id, _Window())
        if report.call_id in window.calls:
            return RecordedFill(outcome=FillOutcome.RECORDED)
        is_held = bool(window.fills) and window.lease_until_ms > self.now_ms
        if not is_held and report.account_id in self.unregistered:
            return RecordedFill(outcome=FillOutcome.REFUSED)
        if not is_held and report.account_id in self.disabled:
            return RecordedFill(outcome=FillOutcome.IGNORED)
        self.windows[report.account_id] = window
        window.calls.append(report.call_id)
        window.fills += [self.now_ms] * report.fill_count
        window.last_fill = report.last_fill
        wake_up = None if is_held else self._wait(report.account_id, window)
        return RecordedFill(outcome=FillOutcome.RECORDED, wake_up=wake_up)

    def _wait(self, account_id: str, window: _Window) -> DelayedWakeUp:
        window.is_running, window.covered = False, 0
        due_ms = max(self.now_ms, self._due_ms(window))
        self._hold(window, due_ms)
        return DelayedWakeUp(account_id=account_id, token=window.token, wait_ms=due_ms - self.now_ms)

    def _hold(self, window: _Window, from_ms: int) -> None:
        window.token, window.lease_until_ms = uuid4().hex, from_ms + self.times.lease_ms

    def _due_ms(self, window: _Window) -> int:
        return int(
            due_at(
                first=window.fills[0],
                last=window.fills[-1],
                delay=self.times.delay_ms,
                max_wait=self.times.max_wait_ms,
                not_before=window.not_before_ms,
            )
        )

    def _reach(self) -> None:
        if self.is_away:
            raise CoordinationError("Redis is away")


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
