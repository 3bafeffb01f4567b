import asyncio

import pytest

from tests.contract.wire_cases import WIRE_CASES


@pytest.fixture(scope="session")
def lasting_wires():
    """One server and one broker a case for all tests: an exchange's markets take a while to load."""
    opened = {}
    yield opened
    for case, broker in opened.values():
        asyncio.run(broker.close())
        case.close()


@pytest.fixture(params=list(WIRE_CASES))
def wire_name(request):
    return request.param


@pytest.fixture
def wire(wire_name, lasting_wires):
    """A case that other tests use, too: hold and break what you like, but leave its account and its address alone."""
    if wire_name not in lasting_wires:
        case = WIRE_CASES[wire_name]()
        lasting_wires[wire_name] = case, case.open()
    case, _ = lasting_wires[wire_name]
    case.server.faults = {}
    case.hold()
    return case


@pytest.fixture
async def wire_broker(wire, wire_name, lasting_wires):
    broker = lasting_wires[wire_name][1] if wire.outlives_loop else wire.open()
    yield broker
    if not wire.outlives_loop:
        await broker.close()


@pytest.fixture
def own_wire(wire_name):
    """A case of the test's own."""
    case = WIRE_CASES[wire_name]()
    yield case
    case.close()


@pytest.fixture
async def own_broker(own_wire):
    broker = own_wire.open()
    yield broker
    await broker.close()
