"""A login's limit holds for what its server sees: the real SDK, the real gate, two workers, accounts that are flat."""

import asyncio
from collections.abc import Sequence
from time import monotonic

from reconciliation.adapters.brokers.host.connections import OpenConnections
from reconciliation.adapters.brokers.host.reader import ConnectionReader
from reconciliation.adapters.redis.client import connect_async
from reconciliation.adapters.redis.rate_limiter import RedisRateLimiter
from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.ports.accounts import AccountPlan
from reconciliation.ports.broker import BrokerLimits
from reconciliation.ports.broker_reads import TimeBudget
from tests.brokers.alpaca_server import AlpacaWire
from tests.brokers.http_server import Asked, Reply
from tests.support.spaces import async_space_of

RATE, CONCURRENCY, ACCOUNTS = 20, 2, 4


class MeasuredAlpaca(AlpacaWire):
    """Measures as a broker would: how many requests in any second, how many at once."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[float] = []
        self.under_way = self.most_at_once = 0

    def route(self, asked: Asked) -> Reply:
        self.arrivals.append(monotonic())
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            return super().route(asked)
        finally:
            self.under_way -= 1

    @property
    def most_in_a_second(self) -> int:
        return max(sum(first <= other < first + 1 for other in self.arrivals) for first in self.arrivals)


class OneLogin:
    """The registry of a login at the measured server."""

    def __init__(self, alpaca: AlpacaWire) -> None:
        self._connection = Connection(
            name="alpaca",
            broker="alpaca",
            options=alpaca.options(),
            secrets={name: f"env:PLANTED_{name}" for name in alpaca.secrets},
            requests_per_second=RATE,
            concurrency=CONCURRENCY,
        )

    def get(self, _name: str) -> Connection:
        return self._connection


async def test_flat_accounts_cost_three_requests_and_the_limit_holds_for_each(redis_url, monkeypatch) -> None:
    alpaca = MeasuredAlpaca()
    for name, secret in alpaca.secrets.items():
        monkeypatch.setenv(f"PLANTED_{name}", secret)
    plans = [
        AccountPlan(config=ReconciliationConfig(f"A{number}"), connection="alpaca", broker_account_id=alpaca.account_id)
        for number in range(ACCOUNTS)
    ]
    try:
        answers = await asyncio.gather(*(_read(redis_url, alpaca, plans) for _ in range(2)))
    finally:
        alpaca.close()

    assert all(isinstance(snapshot, BrokerSnapshot) for worker in answers for snapshot in worker)
    # The account vouches for the first list, and then for each empty one.
    assert len(alpaca.arrivals) >= 2 * 3 * ACCOUNTS
    assert alpaca.most_in_a_second <= RATE
    assert alpaca.most_at_once <= CONCURRENCY


async def _read(redis_url: str, alpaca: AlpacaWire, plans: Sequence[AccountPlan]) -> list[object]:
    """Read as a worker does: with a client, a gate and a connection of its own."""
    async with connect_async(redis_url, 5) as client:

        def open_limiter(name: str, limits: BrokerLimits) -> RedisRateLimiter:
            return RedisRateLimiter(async_space_of(client), name, limits, lease_ms=60_000)

        connections = OpenConnections(OneLogin(alpaca), open_limiter)
        answers = [answer.snapshot async for answer in ConnectionReader(connections).read(plans, TimeBudget())]
        await connections.aclose()
        return answers
