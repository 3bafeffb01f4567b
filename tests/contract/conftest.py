import pytest

from reconciliation.broker.query import ClosableBroker
from tests.contract.wire_cases import WIRE_CASES


@pytest.fixture(params=list(WIRE_CASES.values()), ids=list(WIRE_CASES))
def wire(request):
    case = request.param()
    yield case
    case.close()


@pytest.fixture
async def wire_broker(wire):
    broker = wire.open()
    yield broker
    if isinstance(broker, ClosableBroker):
        await broker.close()
