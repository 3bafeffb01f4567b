"""Fill windows on a real server: bulk, bounds, the mirror of accounts, and what is left behind."""

import json
from datetime import UTC, datetime

import pytest

from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.domain.model.runs import Fence
from reconciliation.errors import ConfigurationError, CoordinationError
from reconciliation.ports.fill_windows import DelayedWakeUp, FillOutcome, FillReport, FinishOutcome, RunClaim
from tests.support.spaces import space_of

NOW = 1_800_000_000_000
TIMES = FillTimes(delay_ms=5_000, max_wait_ms=12_000, lease_ms=30_000)


@pytest.fixture
def windows(redis_client):
    return FillWindows(space_of(redis_client), times=TIMES, now_ms=NOW, back_off_spread=0)


def report(account_id="A", count=1, call_id="c1"):
    return FillReport(account_id=account_id, fill_count=count, last_fill={"fill_id": call_id}, call_id=call_id)


def start(windows, account_id="A", **given):
    [recorded] = windows.record([report(account_id, **given)])
    windows.now_ms += TIMES.delay_ms
    run = windows.claim(account_id, recorded.wake_up.token)
    assert isinstance(run, RunClaim)
    return run


def right_to_run(token):
    time = datetime.fromtimestamp(NOW / 1000, tz=UTC)
    fence = Fence(scope="post_fill", number=1)
    return RunClaim(
        account_id="A", token=token, fill_count=1, last_fill={}, first_fill_at=time, last_fill_at=time, fence=fence
    )


def keys(client):
    return {key for key in client.scan_iter("t:*") if ":reclaim:" not in key}


def test_a_burst_of_any_size_sends_one_message(windows):
    answers = [windows.record([report(call_id=f"c{number}")])[0] for number in range(1000)]
    assert [answer.wake_up is not None for answer in answers] == [True] + [False] * 999


def test_many_accounts_are_noted_in_one_call(windows):
    answers = windows.record([report(f"A-{number}", count=2) for number in range(2_500)])
    assert len({answer.wake_up.token for answer in answers}) == 1  # one report, one token; accounts apart
    assert {answer.wake_up.wait_ms for answer in answers} == {5_000}


def test_a_run_names_the_last_fill_and_how_many_there_were(windows):
    [recorded] = windows.record([report(count=3)])
    windows.now_ms += 100
    windows.record([report(call_id="last")])
    windows.now_ms += 5_000
    run = windows.claim("A", recorded.wake_up.token)
    request = run.request()
    assert request.context == {
        "trigger": "post_fill",
        "fill_id": "last",
        "fill_count": 4,
        "first_fill_at": datetime.fromtimestamp(NOW / 1000, tz=UTC).isoformat(),
        "last_fill_at": datetime.fromtimestamp(NOW / 1000 + 0.1, tz=UTC).isoformat(),
    }
    assert request.run_id.hex == run.token


def test_nothing_is_left_of_an_account_once_its_window_is_settled(windows, redis_client):
    run = start(windows)
    assert windows.complete([run])[0].outcome is FinishOutcome.SETTLED
    assert keys(redis_client) == {"t:fills:counters", "t:fills:connections", "t:fills:last:A"}
    assert 0 < redis_client.pttl("t:fills:last:A") <= 900_000


def test_a_later_run_has_a_higher_fence_even_when_the_clock_goes_back(windows):
    first = start(windows)
    windows.complete([first])[0]
    windows.now_ms -= 60_000
    assert start(windows, call_id="c2").fence.number > first.fence.number


def test_a_sweep_takes_no_more_than_its_limit_and_the_longest_overdue_first(windows):
    for number in range(5):
        windows.record([report(f"A-{number}", call_id=f"c{number}")])
        windows.now_ms += 1
    windows.now_ms += 35_000
    assert [found.account_id for found in windows.reclaim(limit=2)] == ["A-0", "A-1"]
    assert [found.account_id for found in windows.reclaim(limit=9)] == ["A-2", "A-3", "A-4"]
    assert windows.reclaim(limit=9) == []


def test_while_workers_are_away_the_queue_never_outgrows_the_windows(windows):
    windows.record([report(f"A-{number}") for number in range(50)])
    queued = 50
    for _ in range(600):  # ten minutes without a worker
        windows.now_ms += 1_000
        queued += len(windows.reclaim(limit=500, queued=queued))
    assert queued == 50


def test_an_account_has_its_own_times_and_never_a_shorter_lease(windows, redis_client):
    own = {"enabled": True, "delay_ms": 200, "max_wait_ms": 300, "lease_ms": 1, "backoff_ms": 700}
    redis_client.hset("t:accounts", mapping={"": "1", "A": json.dumps(own)})
    [recorded] = windows.record([report()])
    assert recorded.wake_up.wait_ms == 200
    windows.now_ms += 199
    again = windows.claim("A", recorded.wake_up.token)
    assert isinstance(again, DelayedWakeUp)
    windows.now_ms += 1
    run = windows.claim("A", again.token)
    windows.now_ms += 20_000
    assert windows.reclaim(limit=9) == []
    assert windows.incomplete([run])[0].wake_up.wait_ms == 700


def test_an_unknown_account_is_refused_once_the_mirror_is_complete(windows, redis_client):
    redis_client.hset("t:accounts", "B", "{}")
    assert windows.record([report()])[0].outcome is FillOutcome.RECORDED
    redis_client.hset("t:accounts", "", "1")
    assert windows.record([report("C")])[0].outcome is FillOutcome.REFUSED
    assert windows.record([report("B")])[0].outcome is FillOutcome.RECORDED


def test_fills_of_a_disabled_account_are_ignored_and_pile_up_nowhere(windows, redis_client):
    redis_client.hset("t:accounts", mapping={"": "1", "A": '{"enabled": false}'})
    before = keys(redis_client)
    assert windows.record([report()])[0].outcome is FillOutcome.IGNORED
    assert keys(redis_client) == before | {"t:fills:counters"}


def test_a_window_that_was_open_when_its_account_was_disabled_goes_with_all_its_fills(windows, redis_client):
    [recorded] = windows.record([report()])
    redis_client.hset("t:accounts", mapping={"": "1", "A": '{"enabled": false}'})
    assert windows.record([report(call_id="c2")])[0].wake_up is None
    windows.now_ms += 5_000
    assert windows.claim("A", recorded.wake_up.token) is None
    assert not redis_client.exists("t:fills:window:A")
    assert windows.record([report(call_id="c3")])[0].outcome is FillOutcome.IGNORED


@pytest.mark.parametrize("when", ["waiting", "running", "dirty"])
def test_a_removed_account_does_not_come_back(windows, redis_client, when):
    [recorded] = windows.record([report()])
    token = recorded.wake_up.token
    run = right_to_run(token)
    if when != "waiting":
        windows.now_ms += 5_000
        run = windows.claim("A", token)
        token = run.token
    if when == "dirty":
        windows.record([report(call_id="c2")])
    redis_client.hset("t:accounts", "", "1")
    assert windows.forget("A") is True
    assert windows.claim("A", token) is None
    assert windows.complete([run])[0].outcome is FinishOutcome.NO_WINDOW
    assert windows.incomplete([run])[0].outcome is FinishOutcome.NO_WINDOW
    windows.now_ms += 100_000
    assert windows.reclaim(limit=9) == []
    assert keys(redis_client) == {"t:accounts", "t:fills:counters", "t:fills:last:A"}
    assert redis_client.pttl("t:fills:last:A") > 0  # for an account that is soon added again


def test_a_script_is_loaded_again_after_the_server_lost_it(windows, redis_client):
    windows.record([report()])
    redis_client.script_flush()
    assert len(windows.record([report("B"), report("C")])) == 2
    redis_client.script_flush()
    assert windows.record([report("D")])[0].outcome is FillOutcome.RECORDED


def test_times_that_cannot_work_are_refused():
    with pytest.raises(ConfigurationError, match=r"post_fill_max_wait_seconds .* is below post_fill_delay_seconds"):
        FillTimes(delay_ms=5_000, max_wait_ms=4_999)
    with pytest.raises(ConfigurationError, match="max_backoff_seconds is below"):
        FillTimes(backoff_ms=10, max_backoff_ms=9)
    with pytest.raises(ConfigurationError, match="must be positive"):
        FillTimes(lease_ms=0)


def test_a_key_prefix_that_could_leave_its_quotes_is_refused(redis_client):
    with pytest.raises(ConfigurationError, match="key_prefix"):
        FillWindows(space_of(redis_client, 'x" .. os.exit() .. "'), times=TIMES)


def test_an_error_of_redis_is_a_sentence_with_the_address(windows, redis_client):
    redis_client.set("t:accounts", "not a hash")
    with pytest.raises(CoordinationError, match="Redis at test refuses"):
        windows.record([report()])
