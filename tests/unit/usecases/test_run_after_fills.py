"""The use cases of fills, with windows and senders that fail on purpose."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from reconciliation.domain.model.models import ReconciliationResult, RunError
from reconciliation.domain.model.runs import Fence
from reconciliation.errors import CoordinationError, StorageError, Unavailable
from reconciliation.messages.fills import parse_fill_message
from reconciliation.ports.fill_windows import DelayedWakeUp, FillOutcome, Finish, FinishOutcome, RecordedFill, RunClaim
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows
from reconciliation.usecases.record_fills import FillRecorder
from reconciliation.usecases.run_after_fills import PostFillRuns

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class Windows:
    """Answers as told, and keeps how each run ended."""

    def __init__(self, decision=None) -> None:
        self.decision = decision
        self.reports = []
        self.ended = []

    def record(self, reports):
        self.reports += reports
        return [RecordedFill(outcome=FillOutcome.RECORDED, wake_up=wake_up(report.account_id)) for report in reports]

    def claim(self, account_id, token):
        return self.decision

    def complete(self, account_id, token):
        self.ended.append("complete")
        return Finish(outcome=FinishOutcome.SETTLED)

    def incomplete(self, account_id, token):
        self.ended.append("incomplete")
        return Finish(outcome=FinishOutcome.CONTINUED, wake_up=wake_up(account_id))

    def reclaim_expired(self, limit, queued):
        return [wake_up("A"), wake_up("B")][: max(0, limit - queued)]


class Outbox:
    def __init__(self, error: Exception | None = None) -> None:
        self.sent = []
        self.error = error

    def send(self, wake_ups) -> None:
        if self.error:
            raise self.error
        self.sent += wake_ups


class Reconciles:
    """Makes runs that end as told."""

    def __init__(self, ending=None) -> None:
        self.ending = ending
        self.given_up = []

    async def reconcile(self, requests):
        if isinstance(self.ending, BaseException):
            raise self.ending
        return [
            ReconciliationResult(
                request.account_id, NOW, self.ending is None, [], 0, 1.0, request.context, error=self.ending
            )
            for request in requests
        ]

    async def give_up(self, requests, reason):
        self.given_up.append(reason)
        return []


def wake_up(account_id="A"):
    return DelayedWakeUp(account_id=account_id, token="t", wait_ms=10)


def right_to_run():
    return RunClaim(
        account_id="A",
        token=uuid4().hex,
        fill_count=3,
        last_fill={"fill_id": "F"},
        first_fill_at=NOW,
        last_fill_at=NOW,
        fence=Fence(scope="post_fill", number=1),
    )


def message(account_id, fill_id):
    return parse_fill_message({"schema": 1, "account_id": account_id, "fill_id": fill_id})


def test_many_fills_of_one_account_become_one_notice_with_the_last_of_them():
    windows, outbox = Windows(), Outbox()
    outcomes = FillRecorder(windows, outbox).record([message("A", "1"), message("B", "2"), message("A", "3")])
    assert outcomes == [FillOutcome.RECORDED] * 3
    assert [(each.account_id, each.fill_count, each.last_fill["fill_id"]) for each in windows.reports] == [
        ("A", 2, "3"),
        ("B", 1, "2"),
    ]
    assert len(outbox.sent) == 2


def test_a_notice_says_of_what_symbols_all_of_its_fills_are():
    windows = Windows()
    intake = FillRecorder(windows, Outbox())
    fills = [("A", "AAPL"), ("A", "IBM"), ("B", None), ("A", "AAPL")]
    messages = [parse_fill_message({"schema": 1, "account_id": name, "symbol": symbol}) for name, symbol in fills]
    intake.record(messages)
    intake.record_each([(messages[1], "one"), (messages[2], "two")])
    assert [(report.account_id, list(report.symbols)) for report in windows.reports] == [
        ("A", ["AAPL", "IBM"]),
        ("B", [None]),
        ("A", ["IBM"]),
        ("B", [None]),
    ]


def test_a_countdown_that_cannot_be_sent_does_not_fail_the_fill(caplog):
    intake = FillRecorder(Windows(), Outbox(CoordinationError("the broker is away")))
    assert intake.record([message("A", "1")]) == [FillOutcome.RECORDED]
    assert "the sweep wakes their windows" in caplog.text


def test_a_stale_message_is_dropped_and_an_early_one_sent_on():
    outbox = Outbox()
    assert asyncio.run(PostFillRuns(Windows(None), outbox, Reconciles()).run("A", "t")) == {"did": "dropped"}
    early = asyncio.run(PostFillRuns(Windows(wake_up()), outbox, Reconciles()).run("A", "t"))
    assert early == {"did": "waited on", "wait_ms": 10}
    assert outbox.sent == [wake_up()]


def test_a_complete_run_settles_and_an_incomplete_one_is_due_again():
    complete, incomplete = Windows(right_to_run()), Windows(right_to_run())
    outbox = Outbox()
    answer = asyncio.run(PostFillRuns(complete, outbox, Reconciles()).run("A", "t"))
    assert (answer["outcome"], answer["fill_count"], answer["window"]) == ("clean", 3, "settled")
    assert (complete.ended, outbox.sent) == (["complete"], [])
    failed = Reconciles(RunError.of(Unavailable("no answer"), "broker"))
    answer = asyncio.run(PostFillRuns(incomplete, outbox, failed).run("A", "t"))
    assert (answer["outcome"], incomplete.ended, outbox.sent) == ("incomplete", ["incomplete"], [wake_up()])


@pytest.mark.parametrize("error", [StorageError("the database is away"), CoordinationError("Redis is away")])
def test_a_run_that_cannot_be_recorded_or_published_is_told_as_incomplete_and_due_again(error):
    windows, reconciler = Windows(right_to_run()), Reconciles(error)
    answer = asyncio.run(PostFillRuns(windows, Outbox(), reconciler).run("A", "t"))
    assert (answer["outcome"], windows.ended, reconciler.given_up) == ("incomplete", ["incomplete"], [str(error)])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a bug"), "the worker failed"),
        (asyncio.CancelledError(), "the run was given up at its time limit"),
    ],
)
def test_a_run_that_is_cut_or_fails_by_a_bug_is_told_and_due_again(error, told):
    windows, reconciler = Windows(right_to_run()), Reconciles(error)
    with pytest.raises(type(error)):
        asyncio.run(PostFillRuns(windows, Outbox(), reconciler).run("A", "t"))
    assert (windows.ended, reconciler.given_up) == (["incomplete"], [told])


def test_a_sweep_that_cannot_send_goes_on_at_the_next_lease(caplog):
    assert reclaim_fill_windows(Windows(), Outbox(OSError("no route")), limit=5, queued=0) == 2
    assert "2 countdowns could not be sent" in caplog.text
