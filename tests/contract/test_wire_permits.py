"""Every request that reaches a broker's server has a permit of its own: markets, witnesses and repeats included."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from reconciliation.adapters.brokers.host.connections import OpenConnections
from reconciliation.adapters.brokers.host.reader import ConnectionReader
from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import CoordinationError, ReadError
from reconciliation.ports.accounts import AccountPlan
from reconciliation.ports.broker import MeteredBroker
from tests.brokers.http_server import Fault, Reply
from tests.brokers.wire_case import holding
from tests.support.waiting import wait_for


class CountingGate:
    """A gate of so many permits at once, which counts them."""

    def __init__(self, concurrency):
        self.concurrency = concurrency
        self.free = asyncio.Semaphore(concurrency)
        self.taken = self.held = 0
        self.is_down = False

    @asynccontextmanager
    async def permit(self):
        if self.is_down:
            raise CoordinationError("Redis cannot be reached")
        async with self.free:
            self.taken += 1
            self.held += 1
            try:
                yield
            finally:
                self.held -= 1

    async def close(self):
        """Nothing is held elsewhere."""


class OneConnection:
    """A registry with one login: that of a wire."""

    def __init__(self, wire, secrets):
        self.connection = Connection(name="login", broker=wire.opener, options=wire.options(), secrets=secrets)

    def get(self, _):
        return self.connection


class Forever:
    def is_over(self):
        return False


@pytest.fixture
async def login(own_wire, monkeypatch):
    """A login as a worker has it, with its gate, and the permits that were held when each request came in."""
    gates, held_at_requests = [], []

    def open_limiter(_, limits):
        gates.append(CountingGate(limits.concurrency))
        return gates[0]

    answer = own_wire.server.route

    def route(asked):
        held_at_requests.append((gates[0].held, gates[0].taken))
        return answer(asked)

    own_wire.server.route = route
    references = {}
    for name, value in own_wire.secrets.items():
        monkeypatch.setenv(f"PLANTED_{name}", value)
        references[name] = f"env:PLANTED_{name}"
    connections = OpenConnections(OneConnection(own_wire, references), open_limiter)
    async with connections.use("login") as opened:
        assert isinstance(opened.broker, MeteredBroker)
    yield Login(connections, gates[0], own_wire, held_at_requests)
    await connections.aclose()


class Login:
    def __init__(self, connections, limiter, wire, held_at_requests):
        self.connections, self.limiter, self.wire, self.held_at_requests = connections, limiter, wire, held_at_requests

    async def read(self):
        plan = AccountPlan(
            config=ReconciliationConfig("ours", read_timeout_seconds=60),
            connection="login",
            broker_account_id=self.wire.account_id,
        )
        [answer] = [answer async for answer in ConnectionReader(self.connections).read([plan], Forever())]
        return answer.snapshot


async def test_as_many_permits_are_taken_as_requests_arrive_and_each_is_held_meanwhile(login):
    # A flat answer costs the most: Alpaca and OANDA cross-check it, an exchange loads its markets first.
    for rows in ([], [holding(login.wire.symbol, "7")], []):
        login.wire.hold(*rows)
        snapshot = await login.read()
        assert isinstance(snapshot, BrokerSnapshot)
        assert len(snapshot.positions) == len(rows)
    answered = len(login.held_at_requests)
    login.wire.server.faults = {login.wire.positions_marker: Fault(reply=Reply("", 429))}
    assert isinstance(await login.read(), ReadError)

    # The other half of what was refused may be on its way still.
    await asyncio.to_thread(wait_for, lambda: not login.limiter.held)
    assert login.limiter.taken == len(login.wire.server.asked)
    assert all(held >= 1 for held, _ in login.held_at_requests[:answered])
    # The other half of a refused read is cancelled, and its permit released, while its request may still arrive.
    assert all(held <= login.limiter.concurrency for held, _ in login.held_at_requests)
    assert all(taken >= number for number, (_, taken) in enumerate(login.held_at_requests, start=1))


async def test_without_a_permit_nothing_is_asked(login):
    login.limiter.is_down = True
    answer = await login.read()
    assert isinstance(answer, ReadError)
    assert "Redis cannot be reached" in str(answer)
    assert login.wire.server.asked == []
