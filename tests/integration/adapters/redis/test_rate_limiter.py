"""The gate of a broker login, shared by several processes (here: several gates), on the real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from time import monotonic

import pytest
import redis.asyncio

from reconciliation.adapters.redis.client import connect_async
from reconciliation.adapters.redis.rate_limiter import RedisRateLimiter
from reconciliation.errors import CoordinationError
from reconciliation.ports.broker import BrokerLimits
from tests.support.spaces import async_space_of


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect_async(redis_url, 5) as client:
        yield client


@pytest.fixture
async def limiter(client) -> AsyncIterator[Callable[..., RedisRateLimiter]]:
    opened: list[RedisRateLimiter] = []

    def open_limiter(rate: float | None, concurrency: int, lease_ms: int = 30_000) -> RedisRateLimiter:
        limits = BrokerLimits(requests_per_second=rate, concurrency=concurrency)
        opened.append(RedisRateLimiter(async_space_of(client), "c", limits, lease_ms=lease_ms))
        return opened[-1]

    yield open_limiter
    for each in opened:
        await each.close()


class Login:
    """Measures as a broker would: how many at once, how many in any second."""

    def __init__(self) -> None:
        self.under_way = self.most_at_once = 0
        self.arrivals: list[float] = []

    async def answer(self, seconds: float) -> None:
        self.arrivals.append(monotonic())
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(seconds)
        self.under_way -= 1

    @property
    def most_in_a_second(self) -> int:
        return max(sum(first <= other < first + 1 for other in self.arrivals) for first in self.arrivals)


async def ask(gates: list[RedisRateLimiter], login: Login, requests: int, seconds: float) -> None:
    async def one(number: int) -> None:
        async with gates[number % len(gates)].permit():
            await login.answer(seconds)

    await asyncio.gather(*(one(number) for number in range(requests)))


async def test_no_more_requests_at_once_than_allowed_over_all_processes(client, limiter) -> None:
    login = Login()
    await ask([limiter(None, 3) for _ in range(3)], login, 60, 0.01)
    assert login.most_at_once == 3


async def test_no_more_requests_in_any_second_than_allowed_over_all_processes(client, limiter) -> None:
    login = Login()
    start = monotonic()
    await ask([limiter(20, 10) for _ in range(2)], login, 50, 0.005)

    assert login.most_in_a_second <= 20
    assert monotonic() - start >= 2  # 20, 20, 10


async def test_a_rate_below_one_a_second_is_kept(client, limiter) -> None:
    login = Login()
    await ask([limiter(2.5, 5)], login, 6, 0)
    assert login.most_in_a_second <= 3
    assert login.arrivals[-1] - login.arrivals[0] >= 1.2


async def test_permits_of_a_killed_worker_come_free_after_their_lease(client, limiter) -> None:
    async with AsyncExitStack() as killed:
        dead = limiter(None, 1, lease_ms=300)
        await killed.enter_async_context(dead.permit())
        start = monotonic()
        async with limiter(None, 1).permit():
            waited = monotonic() - start
    assert waited >= 0.25


async def test_the_wishes_of_a_process_that_stopped_asking_are_passed_over(client, limiter) -> None:
    first, gone, third = (limiter(None, 1) for _ in range(3))
    async with first.permit():
        ghost = asyncio.create_task(gone.permit().__aenter__())
        while not await client.zcard("t:limit:c:line"):
            await asyncio.sleep(0.01)
        gone._exchanging.cancel()  # as a kill does: it never asks again
        await client.hset("t:limit:c:alive", gone._process, 0)
        waiting = asyncio.create_task(ask([third], Login(), 1, 0))
        while await client.zcard("t:limit:c:line") < 2:
            await asyncio.sleep(0.01)
    await asyncio.wait_for(waiting, 10)
    ghost.cancel()


async def test_a_release_in_one_process_wakes_another_without_polling(client, limiter) -> None:
    holder, waiter = limiter(None, 1), limiter(None, 1)
    async with holder.permit():
        waiting = asyncio.create_task(ask([waiter], Login(), 1, 0))
        while not await client.zcard("t:limit:c:line"):
            await asyncio.sleep(0.01)
        calls = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        await asyncio.sleep(0.3)
        assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] == calls
    await asyncio.wait_for(waiting, 10)


async def test_permits_are_given_in_turn_to_all_processes(client, limiter) -> None:
    served: list[int] = []
    gates = [limiter(None, 1) for _ in range(2)]

    async def one(number: int) -> None:
        async with gates[number % 2].permit():
            served.append(number % 2)
            await asyncio.sleep(0.005)

    await asyncio.gather(*(one(number) for number in range(40)))
    assert 5 <= sum(served[:20]) <= 15


async def test_a_cancelled_request_gives_its_place_and_its_permit_back(client, limiter) -> None:
    only = limiter(None, 1)
    async with only.permit():
        waiting = asyncio.create_task(only.permit().__aenter__())
        while not await client.zcard("t:limit:c:line"):
            await asyncio.sleep(0.01)
        waiting.cancel()
    async with asyncio.timeout(10), only.permit():
        assert await client.zcard("t:limit:c:flight") == 1


async def test_without_redis_no_request_gets_a_permit_and_the_error_says_so() -> None:
    async with connect_async("redis://127.0.0.1:1/0", 0.2) as nobody:
        limits = BrokerLimits(requests_per_second=10, concurrency=10)
        lonely = RedisRateLimiter(async_space_of(nobody), "c", limits, lease_ms=1_000)
        with pytest.raises(CoordinationError, match="cannot be reached"):
            async with lonely.permit():
                pytest.fail("let through")
        await lonely.close()
