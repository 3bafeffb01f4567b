"""The use cases of fills: recorded, run after a burst, reclaimed; with parts that fail on purpose."""

import asyncio
from datetime import UTC, datetime

import pytest

from reconciliation.domain.model.models import ReconciliationResult, RunError
from reconciliation.errors import CoordinationError, StorageError, Unavailable
from reconciliation.messages.fills import parse_fill_message
from reconciliation.ports.fill_windows import FillOutcome
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows
from reconciliation.usecases.record_fills import FillRecorder
from reconciliation.usecases.run_after_fills import PostFillRuns
from tests.fakes.fill_windows import MemoryFillWindows
from tests.fakes.task_queue import MemoryTaskQueue

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Runs:
    """Makes runs that end as they are told to."""

    def __init__(self, ending=None) -> None:
        self.ending = ending
        self.most = None
        self.given_up = []

    async def reconcile_in_groups(self, requests, budget):
        if isinstance(self.ending, BaseException):
            raise self.ending
        yield [
            ReconciliationResult(
                request.account_id,
                NOW,
                self.ending is None,
                [],
                0,
                1.0,
                request.context,
                request.run_id,
                error=self.ending,
            )
            for request in requests[: self.most]
        ]

    async def give_up(self, requests, reason):
        self.given_up.append(reason)
        return []


class Firm:
    """Fill windows and messages in memory, with three fills of account A; `act` lets a wake-up arrive."""

    def __init__(self, ending=None) -> None:
        self.windows, self.tasks, self.runs = MemoryFillWindows(), MemoryTaskQueue(), Runs(ending)
        self.recorder = FillRecorder(self.windows, self.tasks)
        self.recorder.record([message("A", str(number)) for number in range(3)])

    def act(self, *, after_ms: int, token: str | None = None):
        self.windows.now_ms += after_ms
        [wake_up] = self.tasks.wake_ups
        self.tasks.wake_ups = []
        runs = PostFillRuns(self.windows, self.tasks, self.runs, sweep_size=200)
        return asyncio.run(runs.run("A", token or wake_up.token))


def message(account_id, fill_id, symbol=None):
    return parse_fill_message({"schema": 1, "account_id": account_id, "fill_id": fill_id, "symbol": symbol})


def test_many_fills_of_one_account_become_one_report_with_the_last_of_them():
    windows, tasks = MemoryFillWindows(), MemoryTaskQueue()
    outcomes = FillRecorder(windows, tasks).record([message("A", "1"), message("B", "2"), message("A", "3")])
    assert outcomes == [FillOutcome.RECORDED] * 3
    assert [(each.account_id, each.fill_count, each.last_fill["fill_id"]) for each in windows.reports] == [
        ("A", 2, "3"),
        ("B", 1, "2"),
    ]
    assert [wake_up.account_id for wake_up in tasks.wake_ups] == ["A", "B"]


def test_a_report_names_the_symbols_of_all_its_fills():
    windows = MemoryFillWindows()
    recorder = FillRecorder(windows, MemoryTaskQueue())
    fills = [("A", "AAPL"), ("A", "IBM"), ("B", None), ("A", "AAPL")]
    messages = [message(name, "F", symbol) for name, symbol in fills]
    recorder.record(messages)
    recorder.record_each([(messages[1], "one"), (messages[2], "two")])
    assert [(report.account_id, list(report.symbols)) for report in windows.reports] == [
        ("A", ["AAPL", "IBM"]),
        ("B", [None]),
        ("A", ["IBM"]),
        ("B", [None]),
    ]


def test_a_wake_up_that_cannot_be_sent_does_not_fail_the_fill(caplog):
    recorder = FillRecorder(MemoryFillWindows(), MemoryTaskQueue(CoordinationError("the broker is away")))
    assert recorder.record([message("A", "1")]) == [FillOutcome.RECORDED]
    assert "their windows will be reclaimed" in caplog.text


def test_a_stale_wake_up_does_nothing_and_an_early_one_is_rescheduled():
    firm = Firm()
    assert firm.act(after_ms=2_000) == {"action": "rescheduled", "wait_ms": 3_000}
    [again] = firm.tasks.wake_ups
    assert again.wait_ms == 3_000
    assert firm.act(after_ms=2_999, token="stale") == {"action": "stale"}


def test_a_complete_run_settles_the_window():
    firm = Firm()
    answer = firm.act(after_ms=5_000)
    assert answer == {"action": "ran", "runs": 1, "clean": 1, "settled": 1}
    assert (firm.tasks.wake_ups, firm.windows.windows) == ([], {})


def test_an_incomplete_run_is_due_again_after_a_back_off():
    firm = Firm(RunError.of(Unavailable("no answer"), "broker"))
    answer = firm.act(after_ms=5_000)
    assert answer == {"action": "ran", "runs": 1, "incomplete": 1, "continued": 1}
    assert [wake_up.wait_ms for wake_up in firm.tasks.wake_ups] == [firm.windows.times.backoff_ms]


@pytest.mark.parametrize("error", [StorageError("the database is away"), CoordinationError("Redis is away")])
def test_a_run_that_cannot_be_recorded_or_published_is_reported_as_incomplete_and_due_again(error):
    firm = Firm(error)
    answer = firm.act(after_ms=5_000)
    assert answer == {"action": "ran", "runs": 1, "incomplete": 1, "continued": 1}
    assert firm.runs.given_up == [str(error)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("a bug"), "the worker failed"),
        (asyncio.CancelledError(), "the run was given up at its time limit"),
    ],
)
def test_a_run_that_is_cancelled_or_fails_by_a_bug_is_reported_and_due_again(error, reason):
    firm = Firm(error)
    with pytest.raises(type(error)):
        firm.act(after_ms=5_000)
    assert firm.runs.given_up == [reason]
    assert [wake_up.wait_ms for wake_up in firm.tasks.wake_ups] == [firm.windows.times.backoff_ms]


def test_windows_that_are_due_together_are_run_together():
    firm = Firm()
    firm.tasks.wake_ups = firm.tasks.wake_ups[:1]
    FillRecorder(firm.windows, MemoryTaskQueue()).record([message(f"B-{number}", "1") for number in range(300)])
    answer = firm.act(after_ms=5_000)
    assert answer == {"action": "ran", "runs": 200, "clean": 200, "settled": 200}
    assert len(firm.windows.windows) == 101


def test_a_stale_message_takes_the_due_windows_along():
    firm = Firm()
    assert firm.act(after_ms=5_000, token="stale") == {"action": "ran", "runs": 1, "clean": 1, "settled": 1}


def test_runs_for_which_time_was_short_are_due_again_at_once():
    firm = Firm()
    firm.runs.most = 2
    FillRecorder(firm.windows, MemoryTaskQueue()).record([message(f"B-{number}", "1") for number in range(4)])
    answer = firm.act(after_ms=5_000)
    assert answer == {"action": "ran", "runs": 5, "clean": 2, "settled": 2, "continued": 3}
    assert [wake_up.wait_ms for wake_up in firm.tasks.wake_ups] == [0, 0, 0]


def test_a_reclaim_that_cannot_send_goes_on_at_the_next_lease(caplog):
    windows = MemoryFillWindows()
    FillRecorder(windows, MemoryTaskQueue()).record([message("A", "1"), message("B", "2")])
    windows.now_ms += 200_000
    away = MemoryTaskQueue()
    away.send_wake_ups = refuse
    assert reclaim_fill_windows(windows, away, limit=5) == 2
    assert "2 wake-ups could not be sent" in caplog.text
    windows.now_ms += 200_000
    tasks = MemoryTaskQueue()
    assert (reclaim_fill_windows(windows, tasks, limit=5), len(tasks.wake_ups)) == (2, 2)


def test_a_reclaim_counts_the_wake_ups_that_wait():
    windows, tasks = MemoryFillWindows(), MemoryTaskQueue()
    FillRecorder(windows, tasks).record([message("A", "1"), message("B", "2")])
    windows.now_ms += 200_000
    assert reclaim_fill_windows(windows, tasks, limit=5) == 0


def refuse(_: object) -> None:
    raise OSError("no route")
