import asyncio

import pytest

from tests.contract.broker_cases import HTTP_CASES


@pytest.fixture(scope="session", autouse=True)
def _lasting_servers_are_closed():
    yield
    for case in HTTP_CASES.values():
        asyncio.run(case.close())


@pytest.fixture(params=list(HTTP_CASES))
def http_case(request):
    return HTTP_CASES[request.param]


@pytest.fixture
def wire(http_case):
    """A server that other tests use, too: hold and break what you like, but leave its account and its address alone."""
    wire = http_case.wire
    wire.server.faults = {}
    wire.hold()
    return wire


@pytest.fixture
async def wire_broker(wire, http_case):
    broker = http_case.open()
    yield broker
    if not http_case.keeps(broker):
        await broker.close()


@pytest.fixture
def own_wire(http_case):
    """A server of the test's own."""
    wire = http_case.own_wire()
    yield wire
    wire.close()


@pytest.fixture
async def own_broker(own_wire):
    broker = own_wire.open()
    yield broker
    await broker.close()


@pytest.fixture
async def opened():
    """Opens the brokers of servers of the test's own, with changed options."""
    things = []

    def open_case(case, **changes):
        things.append((case, case.open(**changes)))
        return things[-1][1]

    yield open_case
    for case, broker in things:
        await broker.close()
        case.close()
