"""Fill windows in memory, by a clock that the test moves. For one process; they pass the contract suite of the port."""

import math
from collections.abc import Callable, Mapping, Sequence
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

#: A window that is due for this long is woken again.
OVERDUE_MS = 2_000


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
    crashes: int = 0
    not_before_ms: int = 0


class MemoryFillWindows:
    """A `FillWindows`; `is_away` as Redis may be, `unregistered` and `disabled` as accounts may be."""

    def __init__(self, times: FillTimes | None = None) -> None:
        self.times = times or FillTimes()
        self.sweep_size = 200
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
            crashes=window.crashes,
        )

    def claim_due(self, account_id: str, limit: int) -> list[RunClaim]:
        self._reach()
        due = [
            name
            for name, window in self.windows.items()
            if not window.is_running and not window.crashes and self._due_ms(window) <= self.now_ms
        ]
        claims = [self.claim(name, self.windows[name].token) for name in due[:limit]]
        return [claim for claim in claims if isinstance(claim, RunClaim)]

    def complete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        self._reach()
        return [self._end(run, self._complete) for run in runs]

    def incomplete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        self._reach()
        return [self._end(run, self._incomplete) for run in runs]

    def release(self, runs: Sequence[RunClaim]) -> list[Finish]:
        self._reach()
        return [self._end(run, self._release) for run in runs]

    def reclaim(self, limit: int, queued: int = 0) -> list[DelayedWakeUp]:
        self._reach()
        expired = [name for name, window in self.windows.items() if window.lease_until_ms <= self.now_ms]
        expired.sort(key=lambda name: self.windows[name].lease_until_ms)
        expired = expired[: max(0, min(limit, len(self.windows) - queued))]
        for name in expired:
            self.windows[name].crashes += self.windows[name].is_running
        waiting = [name for name, window in self.windows.items() if name not in expired and not window.is_running]
        overdue = [name for name in waiting if self._woken_ms(self.windows[name]) <= self.now_ms - OVERDUE_MS]
        needed = math.ceil(len(overdue) / self.sweep_size) - queued
        overdue = overdue[: max(0, min(needed, limit - len(expired)))]
        return [self._wait(name, self.windows[name]) for name in [*expired, *overdue]]

    def _end(self, run: RunClaim, how: Callable[[str, _Window], Finish]) -> Finish:
        window = self.windows.get(run.account_id)
        if window is None or window.token != run.token:
            return Finish(outcome=FinishOutcome.NO_WINDOW if window is None else FinishOutcome.SUPERSEDED)
        return how(run.account_id, window)

    def _complete(self, account_id: str, window: _Window) -> Finish:
        del window.fills[: window.covered]
        window.crashes = window.covered = window.tries = window.not_before_ms = 0
        if not window.fills:
            del self.windows[account_id]
            return Finish(outcome=FinishOutcome.SETTLED)
        return Finish(outcome=FinishOutcome.CONTINUED, wake_up=self._wait(account_id, window))

    def _incomplete(self, account_id: str, window: _Window) -> Finish:
        window.crashes, window.tries = 0, window.tries + 1
        window.not_before_ms = self.now_ms + self.times.backoff_after(window.tries)
        return self._release(account_id, window)

    def _release(self, account_id: str, window: _Window) -> Finish:
        return Finish(outcome=FinishOutcome.CONTINUED, wake_up=self._wait(account_id, window))

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

    def _woken_ms(self, window: _Window) -> int:
        """Return when the message was to arrive, or is to arrive again for fills that came since."""
        return max(window.lease_until_ms - self.times.lease_ms, self._due_ms(window))

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
