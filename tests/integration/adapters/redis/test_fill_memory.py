"""Which symbols were filled when: what is remembered in a window, after it, and what counts as not known."""

import pytest

from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.ports.fill_windows import FillReport, RunClaim
from tests.support.spaces import space_of

NOW = 1_800_000_000_000
QUARTER_HOUR = 900_000
TIMES = FillTimes(delay_ms=5_000, max_wait_ms=12_000, lease_ms=30_000)


@pytest.fixture
def windows(redis_client):
    windows = FillWindows(space_of(redis_client), times=TIMES, now_ms=NOW, back_off_spread=0)
    windows.activity(["A"])
    return windows


def fill(windows, *symbols, account_id="A", at_ms=None):
    windows.now_ms = windows.now_ms if at_ms is None else NOW + at_ms
    [recorded] = windows.record(
        [FillReport(account_id, len(symbols), {}, f"{account_id} {windows.now_ms} {symbols}", symbols)]
    )
    return recorded.wake_up


def settle(windows, wake_up, account_id="A"):
    windows.now_ms += wake_up.wait_ms
    run = windows.claim(account_id, wake_up.token)
    while not isinstance(run, RunClaim):
        windows.now_ms += run.wait_ms
        run = windows.claim(account_id, run.token)
    windows.complete([run])


def last(windows, account_id="A"):
    """Return the remembered symbols with the time of their last fill after `NOW`."""
    return {symbol: at - NOW for symbol, at in windows.activity([account_id])[account_id].last_ms.items()}


def test_a_window_knows_the_last_fill_of_each_symbol(windows):
    assert last(windows) == {}
    fill(windows, "AAPL", at_ms=1)
    fill(windows, "IBM", at_ms=2)
    fill(windows, "AAP", "BRK B", at_ms=3)
    fill(windows, "AAPL", at_ms=4)
    fill(windows, "IBM", None, at_ms=5)
    assert last(windows) == {"AAPL": 4, "IBM": 5, "AAP": 3, "BRK B": 3, None: 5}
    assert last(windows, "B") == {}
    assert windows.activity(["A"])["A"].at_ms == NOW + 5


def test_a_report_that_is_repeated_is_not_a_later_fill(windows):
    report = FillReport("A", 1, {}, "call", ("AAPL",))
    windows.record([report])
    windows.now_ms += 1
    windows.record([report])
    assert last(windows) == {"AAPL": 0}


def test_symbols_beyond_the_limit_count_as_any_symbol(windows):
    fill(windows, *(f"S{number}" for number in range(20)), at_ms=1)
    assert last(windows) == {**{f"S{number}": 1 for number in range(16)}, None: 1}
    fill(windows, "S1", at_ms=2)
    fill(windows, "S99", at_ms=3)
    assert last(windows) == {**{f"S{number}": 1 for number in range(16)}, "S1": 2, None: 3}


def test_symbols_outlive_their_window_for_a_quarter_of_an_hour(windows, redis_client):
    settle(windows, fill(windows, "AAPL", "IBM", at_ms=1))
    assert not redis_client.exists("t:fills:window:A")
    assert last(windows) == {"AAPL": 1, "IBM": 1}
    wake_up = fill(windows, "IBM", at_ms=60_000)
    assert last(windows) == {"AAPL": 1, "IBM": 60_000}
    settle(windows, wake_up)
    assert last(windows) == {"AAPL": 1, "IBM": 60_000}
    settle(windows, fill(windows, "SPY", at_ms=QUARTER_HOUR + 1))
    assert last(windows) == {"IBM": 60_000, "SPY": QUARTER_HOUR + 1}
    assert 0 < redis_client.pttl("t:fills:last:A") <= QUARTER_HOUR


def test_the_oldest_symbols_of_settled_windows_become_any(windows):
    for number in range(20):
        settle(windows, fill(windows, f"S{number}", at_ms=10_000 * number))
    assert last(windows) == {**{f"S{number}": 10_000 * number for number in range(4, 20)}, None: 30_000}


def test_a_window_that_is_dropped_leaves_its_symbols(windows):
    fill(windows, "AAPL", at_ms=1)
    assert windows.forget("A")
    assert last(windows) == {"AAPL": 1}


def since(windows):
    return windows.activity(["A"])["A"].since_ms - NOW


def test_the_memory_reaches_back_to_the_first_look_and_no_longer_than_its_entries_live(windows):
    windows.now_ms += 60_000
    assert since(windows) == 0
    windows.now_ms = NOW + QUARTER_HOUR + 7
    assert since(windows) == 7


def test_a_redis_that_lost_its_data_remembers_from_now_on(windows, redis_client):
    fill(windows, "AAPL", at_ms=1)
    windows.now_ms += 60_000
    redis_client.flushdb()
    assert since(windows) == 60_001


def test_a_server_that_came_back_or_took_over_remembers_from_now_on(windows, redis_client):
    windows.now_ms += 60_000
    redis_client.hset("t:fills:memory", "server", "another")  # as in the data of the one that it was before
    assert since(windows) == 60_000
    windows.now_ms += 1
    assert since(windows) == 60_000


def test_after_a_clock_went_back_nothing_is_known_until_it_is_where_it_was(windows):
    windows.now_ms += 60_000
    windows.activity(["A"])
    windows.now_ms -= 2_000
    assert since(windows) == 60_001
    windows.now_ms += 5_000
    assert since(windows) == 60_001


def test_many_accounts_are_looked_at_in_few_calls(windows):
    windows.record([FillReport(f"A-{number}", 1, {}, "c", (f"S{number}",)) for number in range(2_500)])
    seen = windows.activity([f"A-{number}" for number in range(2_500)])
    assert [dict(look.last_ms) for look in seen.values()] == [{f"S{number}": NOW} for number in range(2_500)]
