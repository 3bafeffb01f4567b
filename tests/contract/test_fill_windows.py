"""One behaviour of fill windows: in an asyncio program, in memory, and in Redis; and the port's contract."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.errors import CoordinationError
from reconciliation.ports.fill_windows import DelayedWakeUp, FillOutcome, FillReport, FinishOutcome, RunClaim
from reconciliation.settings import Settings
from reconciliation.usecases import debounce
from tests.contract.fill_bursts import TIMES, Made, Play, through_debounce, through_windows
from tests.fakes.fill_windows import MemoryFillWindows
from tests.support.spaces import space_of

NOW_MS = 1_800_000_000_000


def redis_windows(client) -> FillWindows:
    return FillWindows(space_of(client), times=TIMES, now_ms=NOW_MS, back_off_spread=0)


@pytest.fixture(params=["debounce", "memory", "redis"])
def play(request: pytest.FixtureRequest) -> Callable[[Play], list[Made]]:
    if request.param == "debounce":
        return through_debounce
    if request.param == "memory":
        return partial(through_windows, windows=MemoryFillWindows(TIMES))
    return partial(through_windows, windows=redis_windows(request.getfixturevalue("redis_client")))


@pytest.fixture
def shared_windows(redis_client) -> FillWindows:
    return redis_windows(redis_client)


@pytest.fixture(params=["memory", "redis"])
def windows(request: pytest.FixtureRequest):
    if request.param == "memory":
        return MemoryFillWindows(TIMES)
    return redis_windows(request.getfixturevalue("redis_client"))


def test_a_burst_costs_one_run_the_delay_after_its_last_fill(play) -> None:
    assert play(Play(fills=[0, 1, 3])) == [Made(8, 3, "F2")]


def test_a_steady_stream_is_run_at_the_ceiling(play) -> None:
    assert play(Play(fills=[0, 4, 8, 11, 13])) == [Made(12, 4, "F3"), Made(18, 1, "F4")]


def test_a_fill_during_a_run_opens_the_next_window(play) -> None:
    assert play(Play(fills=[0, 7], run_seconds=10)) == [Made(5, 1, "F0"), Made(15, 1, "F1")]


def test_an_incomplete_run_settles_nothing_and_its_back_off_doubles(play) -> None:
    assert play(Play(fills=[0], incomplete=3)) == [
        Made(5, 1, "F0"),
        Made(10, 1, "F0"),
        Made(20, 1, "F0"),
        Made(40, 1, "F0"),
    ]


def test_a_fill_does_not_cut_a_back_off_short(play) -> None:
    assert play(Play(fills=[0, 11], incomplete=2)) == [Made(5, 1, "F0"), Made(10, 1, "F0"), Made(20, 2, "F1")]


def test_after_a_complete_run_the_back_off_begins_again(play) -> None:
    assert play(Play(fills=[0, 100, 200], incomplete=1)) == [
        Made(5, 1, "F0"),
        Made(10, 1, "F0"),
        Made(105, 1, "F1"),
        Made(205, 1, "F2"),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=12).map(sorted), st.sampled_from([0, 0.5, 7.5]), st.integers(0, 3)
)
def test_all_kinds_of_windows_make_the_same_runs(redis_client, shared_windows, fills, run_seconds, incomplete) -> None:
    # No two events at one moment: which of them comes first is open.
    apart = [at + 0.013 * number for number, at in enumerate(fills)]
    given_play = Play(fills=apart, run_seconds=run_seconds, incomplete=incomplete)
    redis_client.flushdb()
    shared_windows.now_ms = NOW_MS
    in_redis = through_windows(given_play, shared_windows)
    assert through_windows(given_play, MemoryFillWindows(TIMES)) == in_redis
    assert through_debounce(given_play) == in_redis


def test_all_kinds_of_windows_have_the_same_defaults() -> None:
    chosen = Settings(_env_file=None)
    times = FillTimes()
    seconds = (times.delay_ms, times.max_wait_ms, times.lease_ms, times.backoff_ms, times.max_backoff_ms)
    assert [each / 1000 for each in seconds] == [
        chosen.post_fill_delay_seconds,
        chosen.post_fill_max_wait_seconds,
        chosen.run_lease_seconds,
        chosen.post_fill_backoff_seconds,
        chosen.post_fill_max_backoff_seconds,
    ]
    assert (
        chosen.post_fill_backoff_seconds,
        chosen.post_fill_max_backoff_seconds,
    ) == (debounce.FIRST_BACKOFF_SECONDS, debounce.LONGEST_BACKOFF_SECONDS)


def report(account_id: str = "A", count: int = 1, call_id: str = "c1") -> FillReport:
    return FillReport(account_id, count, {"fill_id": call_id}, call_id)


def opened(windows, account_id: str = "A") -> DelayedWakeUp:
    [recorded] = windows.record([report(account_id)])
    assert recorded.outcome is FillOutcome.RECORDED
    assert recorded.wake_up is not None
    return recorded.wake_up


def running(windows) -> RunClaim:
    wake_up = opened(windows)
    windows.now_ms += wake_up.wait_ms
    claim = windows.claim("A", wake_up.token)
    assert isinstance(claim, RunClaim)
    return claim


def test_only_the_first_report_of_a_burst_is_answered_by_a_wake_up(windows) -> None:
    assert opened(windows).wait_ms == 5_000
    assert windows.record([report(call_id="c2")])[0].wake_up is None


def test_a_repeated_report_is_counted_once(windows) -> None:
    windows.record([report(count=2, call_id="first")])
    windows.record([report(call_id="again")])
    windows.record([report(call_id="again")])
    windows.now_ms += 200_000
    [wake_up] = windows.reclaim(9, 0)
    assert windows.claim("A", wake_up.token).fill_count == 3


def test_a_wake_up_that_comes_early_is_rescheduled_and_the_old_one_is_stale(windows) -> None:
    wake_up = opened(windows)
    windows.now_ms += 2_000
    again = windows.claim("A", wake_up.token)
    assert (again.account_id, again.wait_ms) == ("A", 3_000)
    windows.now_ms += 3_000
    assert windows.claim("A", wake_up.token) is None
    assert isinstance(windows.claim("A", again.token), RunClaim)


def test_a_run_is_claimed_once(windows) -> None:
    wake_up = opened(windows)
    windows.now_ms += 5_000
    assert isinstance(windows.claim("A", wake_up.token), RunClaim)
    assert windows.claim("A", wake_up.token) is None


def test_a_completed_run_leaves_nothing_or_the_fills_that_came_meanwhile(windows) -> None:
    run = running(windows)
    windows.record([report(call_id="later")])
    finish = windows.complete([run])[0]
    assert (finish.outcome, finish.wake_up.wait_ms) == (FinishOutcome.CONTINUED, 5_000)
    windows.now_ms += 5_000
    last = windows.claim("A", finish.wake_up.token)
    assert (last.fill_count, last.last_fill) == (1, {"fill_id": "later"})
    assert last.fence.number > run.fence.number
    assert windows.complete([last])[0].outcome is FinishOutcome.SETTLED
    assert windows.complete([last])[0].outcome is FinishOutcome.NO_WINDOW


def test_a_run_that_ends_after_its_lease_settles_nothing(windows) -> None:
    run = running(windows)
    windows.now_ms += TIMES.lease_ms
    [wake_up] = windows.reclaim(9, 0)
    assert windows.complete([run])[0].outcome is FinishOutcome.SUPERSEDED
    assert windows.incomplete([run])[0].outcome is FinishOutcome.SUPERSEDED
    assert windows.claim("A", wake_up.token).fill_count == 1


def test_a_run_is_reclaimed_when_its_lease_is_over_and_not_before(windows) -> None:
    running(windows)
    windows.now_ms += TIMES.lease_ms - 1
    assert windows.reclaim(9, 0) == []
    windows.now_ms += 1
    assert [(wake_up.account_id, wake_up.wait_ms) for wake_up in windows.reclaim(9, 0)] == [("A", 0)]
    assert windows.reclaim(9, 0) == []


def test_a_window_whose_message_is_late_is_woken_by_another(windows) -> None:
    late = opened(windows)
    windows.now_ms += 3_000
    windows.record([report(call_id="c2")])
    windows.now_ms += 5_000 + 2_000 - 1
    assert windows.reclaim(9, 0) == []
    windows.now_ms += 1
    assert windows.reclaim(9, 1) == [], "a message waits that will wake it"
    [wake_up] = windows.reclaim(9, 0)
    assert windows.claim("A", late.token) is None
    assert isinstance(windows.claim("A", wake_up.token), RunClaim)


def test_one_message_wakes_all_windows_that_one_sweep_can_run(windows) -> None:
    windows.record([report(f"A-{number}") for number in range(300)])
    windows.now_ms += 5_000 + 2_000
    assert len(windows.reclaim(500, 0)) == 2


def test_a_run_takes_the_due_windows_along_that_nobody_runs(windows) -> None:
    windows.record([report(f"A-{number}") for number in range(4)])
    windows.now_ms += 3_000
    windows.record([report("A-3", call_id="later"), report("B", call_id="later")])
    windows.now_ms += 2_000
    [wake_up] = [message for message in windows.record([report("A", call_id="first")]) if message.wake_up]
    windows.now_ms += 5_000
    first = windows.claim("A", wake_up.wake_up.token)
    others = windows.claim_due("A", 3)
    assert len({claim.account_id for claim in others}) == 3
    assert len({claim.token for claim in [first, *others]}) == 4
    rest = windows.claim_due("A", 9)
    assert {claim.account_id for claim in [*others, *rest]} == {"A-0", "A-1", "A-2", "A-3", "B"}
    assert {claim.fill_count for claim in [*others, *rest] if claim.account_id == "A-3"} == {2}
    assert windows.claim_due("A", 9) == []
    assert {finish.outcome for finish in windows.complete([first, *others, *rest])} == {FinishOutcome.SETTLED}


def test_a_window_that_is_not_due_is_not_taken_along(windows) -> None:
    running(windows)
    opened(windows, "B")
    windows.now_ms += 4_999
    assert windows.claim_due("A", 9) == []
    windows.now_ms += 1
    assert [claim.account_id for claim in windows.claim_due("A", 9)] == ["B"]


def test_a_window_in_whose_run_a_worker_died_is_run_alone(windows) -> None:
    running(windows)
    windows.now_ms += TIMES.lease_ms
    [again] = windows.reclaim(9, 0)
    other = opened(windows, "B")
    windows.now_ms += 5_000
    assert isinstance(windows.claim("B", other.token), RunClaim)
    assert windows.claim_due("B", 9) == []
    claim = windows.claim("A", again.token)
    assert claim.crashes == 1
    windows.incomplete([claim])
    windows.now_ms += 5_000
    assert [claim.crashes for claim in windows.claim_due("B", 9)] == [0], "it ended: nobody died in it"


def test_a_released_run_is_due_again_at_once_with_all_its_fills(windows) -> None:
    run = running(windows)
    [finish] = windows.release([run])
    assert (finish.outcome, finish.wake_up.wait_ms) == (FinishOutcome.CONTINUED, 0)
    again = windows.claim("A", finish.wake_up.token)
    assert (again.fill_count, again.crashes) == (1, 0)
    assert windows.release([run])[0].outcome is FinishOutcome.SUPERSEDED


def test_no_more_windows_are_reclaimed_than_the_limit_and_the_messages_that_wait_leave(windows) -> None:
    windows.record([report(f"A-{number}") for number in range(5)])
    windows.now_ms += 200_000
    assert windows.reclaim(9, 5) == []
    assert len(windows.reclaim(9, 3)) == 2
    assert len(windows.reclaim(1, 0)) == 1


def test_a_fill_takes_over_a_window_whose_lease_is_over(windows) -> None:
    opened(windows)
    windows.now_ms += 200_000
    [recorded] = windows.record([report(call_id="c2")])
    assert recorded.wake_up is not None
    windows.now_ms += recorded.wake_up.wait_ms
    assert windows.claim("A", recorded.wake_up.token).fill_count == 2


def test_windows_that_cannot_be_reached_say_so(windows, redis_client) -> None:
    if isinstance(windows, MemoryFillWindows):
        windows.is_away = True
    else:
        redis_client.set("t:fills:window:A", "not a hash")
    with pytest.raises(CoordinationError):
        windows.record([report()])
