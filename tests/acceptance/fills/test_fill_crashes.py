"""Workers, Redis and the network fail for real; each fill is followed by a completed run, and nobody helps by hand."""

import os
import signal

import pytest

from reconciliation.adapters.redis.client import connect
from reconciliation.client.report_fills import FillReporter
from reconciliation.errors import CoordinationError
from reconciliation.settings import Settings
from tests.support.fill_lab import PREFIX, FillLab, fills_counted
from tests.support.waiting import wait_for

#: Fills wait in a worker's hands for so long.
DELAY_SECONDS = 1.5
ANSWER_DELAY_SECONDS = 1.5


@pytest.fixture
def lab(redis_url, sqlite_url, tmp_path):
    with FillLab(
        redis_url,
        sqlite_url,
        tmp_path,
        ["running", "waiting"],
        answer_delay_seconds=ANSWER_DELAY_SECONDS,
        post_fill_delay_seconds=DELAY_SECONDS,
    ) as lab:
        yield lab


def is_running(lab: FillLab, account_id: str) -> bool:
    return lab.redis.hget(f"{PREFIX}fills:window:{account_id}", "phase") == "running"


def test_a_worker_killed_in_mid_run_and_with_a_countdown_loses_no_fill(lab: FillLab, processes):
    lost = processes.worker(lab.settings)
    first_at = lab.fill("running")
    wait_for(lambda: is_running(lab, "running"))
    # No beat yet: a busy worker fetches one more message, and a tick would take that place.
    second_at = lab.fill("waiting")
    wait_for(lambda: not lab.redis.llen(f"{PREFIX}celery:reconciliation.wake_ups"))  # the worker holds the countdown
    assert is_running(lab, "running")
    lost.kill()
    processes.beat(lab.settings, wait=False)
    processes.worker(lab.settings)
    lab.wait_covered("running", first_at)
    lab.wait_covered("waiting", second_at)
    lab.wait_settled()
    assert lab.counters()["settled"] == 2


@pytest.mark.slow
def test_a_worker_stopped_for_longer_than_its_lease_settles_nothing_late(lab: FillLab, processes):
    stopped = processes.worker(lab.settings)
    lab.fill("running", "first")
    wait_for(lambda: is_running(lab, "running"))
    stopped.pause()
    processes.worker(lab.settings)
    processes.beat(lab.settings, wait=False)
    lab.wait_for_counter("reclaimed")
    wait_for(lambda: is_running(lab, "running"))
    reported_at = lab.fill("running", "second")
    stopped.resume()
    lab.wait_covered("running", reported_at)
    lab.wait_settled()
    assert lab.results.completed("running")[-1]["context"]["fill_id"] == "second"
    assert lab.counters()["settled"] == 2, "each fill once: the stopped run's end counted for nothing"


@pytest.mark.slow
def test_redis_restarted_with_its_file_loses_no_fill(own_redis, sqlite_url, processes, tmp_path):
    with FillLab(own_redis.url, sqlite_url, tmp_path, ["A"], post_fill_delay_seconds=1) as lab:
        processes.worker(lab.settings)
        processes.beat(lab.settings, wait=False)
        reported_at = lab.fill("A")
        own_redis.kill()
        with pytest.raises(CoordinationError, match=r"Redis at redis://127.0.0.1:\d+/0 cannot be reached"):
            lab.fill("A")
        own_redis.start()
        run = lab.wait_covered("A", reported_at, timeout_seconds=90)
        assert run["context"]["fill_count"] == 1, "the refused fill was not half-noted"


def test_a_redis_that_hangs_is_an_error_within_the_time_outs_and_nothing_is_half_recorded(own_redis, sqlite_url):
    settings = Settings(redis_url=own_redis.url, database_url=sqlite_url, redis_timeout_seconds=0.3)
    with FillReporter(settings) as reporter, connect(own_redis.url, 5) as client:
        client.ping()
        os.kill(own_redis.pid, signal.SIGSTOP)
        with pytest.raises(CoordinationError, match="does not answer in time"):
            reporter.report_fill("A", {"fill_id": "F-1"})
        os.kill(own_redis.pid, signal.SIGCONT)
        client.ping()
        counted = fills_counted(client, "A")
        # What was in the socket may still have been executed: then as a whole, and the sweep will find it.
        assert not counted or (counted == 1 and client.zscore("reconciliation:fills:index", "A"))
