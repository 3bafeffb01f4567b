"""The traps of fills one by one: lost replies, a queue that cannot be reached, a sweep without workers, forks."""

import os
import subprocess
import sys
import time
from collections import deque

import pytest

from reconciliation.adapters.celery.task_queue import CeleryTaskQueue
from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.client.report_fills import FillReporter
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.messages.tasks import TAKE_FILL, WAKE_UPS_QUEUE
from reconciliation.ports.fill_windows import FillOutcome, FillReport, FinishOutcome, RunClaim
from reconciliation.settings import Settings
from reconciliation.usecases.reclaim_fill_windows import reclaim_fill_windows
from tests.support.dropping_proxy import DroppingProxy
from tests.support.fill_lab import fills_counted
from tests.support.spaces import space_of

TIMES = FillTimes(delay_ms=5_000, max_wait_ms=12_000, lease_ms=30_000)
WINDOW = "reconciliation:fills:window:A"
WAKE_UPS_KEY = f"reconciliation:celery:{WAKE_UPS_QUEUE}"


@pytest.fixture
def proxy(redis_url):
    with DroppingProxy(redis_url) as proxy:
        yield proxy


def windows_at(client, now_ms=None, times=TIMES):
    return FillWindows(space_of(client, "reconciliation:"), times=times, now_ms=now_ms)


def report(account_id="A", call_id="c", count=1):
    return FillReport(account_id=account_id, fill_count=count, last_fill={"fill_id": call_id}, call_id=call_id)


def test_fills_whose_replies_are_lost_are_counted_once_and_their_countdown_is_sent(proxy, redis_url, redis_client):
    with FillReporter(Settings(redis_url=proxy.url, celery_broker_url=redis_url)) as reporter:
        proxy.drop_replies(1)
        for number in range(40):
            if number % 4 == 1:
                proxy.drop_replies(1)
            assert reporter.report_fill("A", {"fill_id": str(number)}) is FillOutcome.RECORDED
    assert proxy.dropped == 11
    assert fills_counted(redis_client, "A") == 40
    assert redis_client.llen(WAKE_UPS_KEY) == 1


def test_bulk_fills_whose_reply_is_lost_are_counted_once(proxy, redis_url, redis_client):
    with FillReporter(Settings(redis_url=proxy.url, celery_broker_url=redis_url)) as reporter:
        reporter.report_fills([("warm up", {})])
        proxy.drop_replies(1)
        reporter.report_fills([(f"A-{number % 20}", {"fill_id": str(number)}) for number in range(200)])
    assert proxy.dropped == 1
    assert [fills_counted(redis_client, f"A-{number}") for number in range(20)] == [10] * 20
    assert redis_client.llen(WAKE_UPS_KEY) == 21


def test_a_run_whose_replies_are_lost_is_started_once_and_settled_once(proxy, redis_client):
    with connect(proxy.url, 5) as client:
        windows = windows_at(client, now_ms=1_800_000_000_000)
        [recorded] = windows.record([report()])
        windows.now_ms += 5_000
        proxy.drop_replies(1)
        run = windows.claim("A", recorded.wake_up.token)
        assert isinstance(run, RunClaim)
        windows.record([report(call_id="c2")])
        proxy.drop_replies(1)
        finish = windows.complete([run])[0]
        assert finish.outcome is FinishOutcome.CONTINUED
        windows.now_ms += 60_000
        proxy.drop_replies(1)
        [woken] = windows.reclaim(limit=10)
        assert windows.claim("A", woken.token).fill_count == 1
    assert proxy.dropped == 3
    counters = redis_client.hgetall("reconciliation:fills:counters")
    assert {name: counters[name] for name in ("started", "completed", "settled", "reclaimed")} == {
        "started": "2",
        "completed": "1",
        "settled": "1",
        "reclaimed": "1",
    }


def test_a_fill_is_noted_when_its_countdown_cannot_be_sent_and_the_sweep_sends_it(redis_url, redis_client):
    with FillReporter(Settings(redis_url=redis_url, celery_broker_url="redis://127.0.0.1:1/0")) as reporter:
        assert reporter.report_fill("A", {"fill_id": "F"}) is FillOutcome.RECORDED
    assert redis_client.llen(WAKE_UPS_KEY) == 0
    assert sweep_by_clock(redis_url, redis_client, after_ms=200_000) == 1
    assert redis_client.llen(WAKE_UPS_KEY) == 1


def sweep_by_clock(redis_url, redis_client, after_ms):
    sender = TaskSender(Settings(redis_url=redis_url))
    try:
        windows = windows_at(redis_client, now_ms=round(time.time() * 1000) + after_ms)
        return reclaim_fill_windows(windows, CeleryTaskQueue(sender, longest_wait_ms=60_000), limit=500)
    finally:
        sender.close()


def test_while_workers_are_down_the_sweep_does_not_flood_the_queue(redis_url, redis_client):
    with FillReporter(Settings(redis_url=redis_url)) as reporter:
        reporter.report_fills([(f"A-{number}", {}) for number in range(50)])
    assert redis_client.llen(WAKE_UPS_KEY) == 50
    for minutes in (10, 20, 30):
        assert sweep_by_clock(redis_url, redis_client, after_ms=minutes * 60_000) == 0
    assert redis_client.llen(WAKE_UPS_KEY) == 50
    redis_client.delete(WAKE_UPS_KEY)  # and when the messages are lost, it sends them all again, once
    assert sweep_by_clock(redis_url, redis_client, after_ms=40 * 60_000) == 50
    assert sweep_by_clock(redis_url, redis_client, after_ms=50 * 60_000) == 0
    assert redis_client.llen(WAKE_UPS_KEY) == 50


def test_fills_that_wait_as_messages_do_not_hold_up_the_reclaim(redis_url, redis_client):
    with FillReporter(Settings(redis_url=redis_url)) as reporter:
        reporter.report_fills([(f"A-{number}", {}) for number in range(50)])
    redis_client.delete(WAKE_UPS_KEY)  # the wake-ups are lost
    sender = TaskSender(Settings(redis_url=redis_url))
    sender.send_many([TaskMessage(name=TAKE_FILL.name, kwargs={}, queue=TAKE_FILL.queue) for _ in range(500)])
    sender.close()
    assert sweep_by_clock(redis_url, redis_client, after_ms=200_000) == 50


FORKS = """
import os, warnings
warnings.simplefilter("ignore")
from reconciliation.client.report_fills import close_default_reporter, report_fill, report_fills
report_fill("A", {"fill_id": "parent"})
children = []
for child in range(4):
    pid = os.fork()
    if not pid:
        for number in range(100):
            report_fill("A", {"fill_id": f"{child}-{number}"})
        report_fills([("A", {}), ("B", {})])
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
report_fill("A", {"fill_id": "parent again"})
close_default_reporter()
"""


def test_processes_forked_from_one_that_reports_do_not_share_its_connections(redis_url, redis_client, tmp_path):
    environment = {**os.environ, "RECONCILIATION_REDIS_URL": redis_url}
    argv = [sys.executable, "-c", FORKS]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert fills_counted(redis_client, "A") == 2 + 4 * 101
    assert redis_client.llen(WAKE_UPS_KEY) == 2


async def test_the_async_forms_note_like_the_others(redis_url, redis_client):
    with FillReporter(Settings(redis_url=redis_url)) as reporter:
        assert await reporter.report_fill_async("A", {"fill_id": "1"}) is FillOutcome.RECORDED
        assert await reporter.report_fills_async([("A", {}), ("A", {})]) == [FillOutcome.RECORDED] * 2
    assert fills_counted(redis_client, "A") == 3


@pytest.mark.parametrize(("accounts", "fills"), [(100, 20_000), pytest.param(1_000, 1_000_000, marks=pytest.mark.slow)])
def test_memory_is_bounded_by_the_accounts_and_nothing_stays_when_windows_settle(redis_client, accounts, fills):
    windows = windows_at(redis_client, now_ms=1_800_000_000_000)
    windows.record([report("warm up")])
    redis_client.flushdb()
    empty_bytes = used_memory(redis_client)
    names = [f"ACC-{number:05}" for number in range(accounts)]
    waiting = deque()
    for call in range(fills // accounts):
        recorded = windows.record([report(name, call_id=f"{call}-{name}") for name in names])
        waiting += [answer.wake_up for answer in recorded if answer.wake_up]
        windows.now_ms += 10
    keys = redis_client.dbsize()
    assert keys == accounts + 4, "a hash for each open window; index, due windows, connections, counters"
    assert (used_memory(redis_client) - empty_bytes) / accounts < 3_000, "bytes for each open window"
    while waiting:
        wake_up = waiting.popleft()
        windows.now_ms += wake_up.wait_ms
        run = windows.claim(wake_up.account_id, wake_up.token)
        if isinstance(run, RunClaim):
            assert windows.complete([run])[0].outcome is FinishOutcome.SETTLED
        else:
            waiting.append(run)
    assert int(redis_client.hget("reconciliation:fills:counters", "settled")) == fills // accounts * accounts
    remembered = set(redis_client.scan_iter("reconciliation:fills:last:*"))
    assert len(remembered) == accounts
    assert all(0 < redis_client.pttl(key) <= 900_000 for key in remembered)
    assert (used_memory(redis_client) - empty_bytes) / accounts < 1_000, "bytes that stay for a quarter of an hour"
    assert set(redis_client.scan_iter("*")) - remembered == {
        "reconciliation:fills:connections",
        "reconciliation:fills:counters",
    }


def used_memory(client) -> int:
    return int(client.info("memory")["used_memory_dataset"])
