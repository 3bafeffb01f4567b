"""Runs are dated by Redis' clock, whatever the host's clock says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import redis

from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.clock import RedisClock
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.breaks.recorded_run import RecordedRun
from tests.builders.ledger import run
from tests.fakes.run_ledger import MemoryRunLedger
from tests.support.spaces import space_of

WRONG = datetime(2001, 1, 1, tzinfo=UTC)


class Host:
    """A host whose clock is wrong and whose monotonic clock the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def clock(self, space: RedisSpace) -> RedisClock:
        return RedisClock(space, elapsed=lambda: self.seconds, local_time=lambda: WRONG)


def server_time(client: redis.Redis) -> datetime:
    seconds, microseconds = client.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


def test_two_hosts_with_other_clocks_date_runs_alike_and_carry_on_by_their_own(redis_client: redis.Redis) -> None:
    host = Host()
    clock = host.clock(space_of(redis_client))
    before = server_time(redis_client)
    clock.refresh()
    assert before <= clock.now() <= server_time(redis_client)
    read = clock.now()
    host.seconds += 7.5
    assert clock.now() == read + timedelta(seconds=7.5)


def test_without_redis_the_clock_goes_on_from_its_last_reading_or_is_the_hosts(redis_client: redis.Redis) -> None:
    host = Host()
    with connect("redis://127.0.0.1:1/0", 0.2) as nowhere:
        lost = host.clock(space_of(nowhere))
        lost.refresh()
        assert lost.now() == WRONG
        known = host.clock(space_of(redis_client))
        known.refresh()
        read = known.now()
        known._space = space_of(nowhere)
        host.seconds += 60
        known.refresh()
        assert known.now() == read + timedelta(seconds=60)


def test_a_worker_whose_host_is_an_hour_ahead_makes_no_other_workers_runs_older(redis_client: redis.Redis) -> None:
    def not_applied(by_redis: bool) -> list[str]:
        ledger, told = MemoryRunLedger(), []
        for ahead in (timedelta(hours=1), timedelta(0)):
            clock = RedisClock(space_of(redis_client), local_time=lambda ahead=ahead: datetime.now(UTC) + ahead)
            if by_redis:
                clock.refresh()
            result = replace(run(0), timestamp=clock.now(), local_as_of=None, broker_as_of=None)
            told += [why for _, why in ledger.record([RecordedRun(result=result)]).not_applied]
        return told

    assert not_applied(by_redis=False) == ["older_read"]
    assert not_applied(by_redis=True) == []
