"""The open brokers of one process: each opened once, none waiting for another."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciliation.adapters.brokers.host import connections
from reconciliation.adapters.brokers.host.connections import OpenConnections
from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.errors import ConfigurationError, Unavailable

BOUND_SECONDS = 20


class Definitions:
    """Any name is a connection whose broker is opened here."""

    def __init__(self) -> None:
        self.revision = 1

    def get(self, name: str) -> Connection | None:
        return Connection(name=name, broker=f"{__name__}:open_here", options={"name": name}, revision=self.revision)


class Broker:
    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        raise Unavailable("nobody asks", account_id=account_id)

    async def get_account(self, account_id: str) -> BrokerAccount:
        raise Unavailable("nobody asks", account_id=account_id)


opened: list[str] = []
is_opening, may_open = threading.Event(), threading.Event()


def open_here(options: Mapping[str, Any], _secrets: Mapping[str, str]) -> Broker:
    opened.append(options["name"])
    is_opening.set()
    if options["name"].startswith("slow"):
        may_open.wait(BOUND_SECONDS)
    return Broker()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    opened.clear()
    is_opening.clear()
    may_open.clear()
    yield
    may_open.set()


def no_gate(*_: object) -> Any:
    raise AssertionError("no limit was declared")


async def use(pool: OpenConnections, name: str) -> object:
    async with pool.use(name) as connection:
        return connection.broker


async def test_a_connection_that_is_slow_to_open_holds_no_other_back() -> None:
    pool = OpenConnections(Definitions(), no_gate)
    slow = asyncio.create_task(use(pool, "slow"))
    await asyncio.to_thread(is_opening.wait, BOUND_SECONDS)
    async with asyncio.timeout(BOUND_SECONDS):
        await use(pool, "quick")
    assert not slow.done()
    may_open.set()
    await slow


async def test_a_connection_is_opened_once_however_many_ask_for_it() -> None:
    pool = OpenConnections(Definitions(), no_gate)
    waiting = [asyncio.create_task(use(pool, "slow")) for _ in range(5)]
    await asyncio.to_thread(is_opening.wait, BOUND_SECONDS)
    may_open.set()
    assert len({id(broker) for broker in await asyncio.gather(*waiting)}) == 1
    assert opened == ["slow"]


async def test_a_changed_definition_opens_a_new_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_AGAIN_SECONDS", 0.0)
    definitions = Definitions()
    pool = OpenConnections(definitions, no_gate)
    first = await use(pool, "one")
    assert await use(pool, "one") is first
    definitions.revision = 2
    assert await use(pool, "one") is not first
    assert opened == ["one", "one"]


async def test_an_unknown_connection_is_a_sentence() -> None:
    class Nothing:
        def get(self, name: str) -> None: ...

    pool = OpenConnections(Nothing(), no_gate)
    with pytest.raises(ConfigurationError, match="reconcile connections add gone"):
        await use(pool, "gone")
