"""Finer shades of a failing wire, beyond the exam's: an error of the tree, never an empty list or a part of one."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reconciliation.errors import BadData, Incomplete, RateLimited, ReadError, Unavailable
from reconciliation.ports.broker import ClosableBroker, LimitedBroker
from tests.brokers import cases
from tests.brokers.http_server import Fault, Reply
from tests.brokers.wire_case import HTML, PAGE, holding

FAULTS = {
    "429 with a page": (Fault(reply=Reply(PAGE, 429, HTML)), RateLimited),
    "502 with nothing": (Fault(reply=Reply("", 502)), Unavailable),
    "503 with JSON": (Fault(reply=Reply({"message": "maintenance"}, 503)), Unavailable),
    "504": (Fault(reply=Reply({}, 504)), Unavailable),
    "an answer that drips": (Fault(drips=True), Unavailable),
    "JSON cut off": (Fault(reply=Reply('[{"symbol": "AAPL", "qty": ')), Incomplete),
    "null": (Fault(reply=Reply("null")), BadData),
    "a number": (Fault(reply=Reply("42")), BadData),
    "a text": (Fault(reply=Reply('"positions"')), BadData),
    "an empty object": (Fault(reply=Reply({})), BadData),
    "a list of numbers": (Fault(reply=Reply([1, 2, 3])), BadData),
    "a list of nothing": (Fault(reply=Reply([None])), BadData),
    "redirect": (Fault(reply=Reply("", 302, {"Location": "http://127.0.0.1:9/"})), BadData),
    "404": (Fault(reply=Reply({"message": "not found"}, 404)), ReadError),
}


each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
#: A drip is waited for, and the same transport reads positions and figures: it is let drip once.
QUICK_FAULTS = {name: fault for name, fault in FAULTS.items() if not fault[0].drips}
each_quick_fault = pytest.mark.parametrize("fault", QUICK_FAULTS.values(), ids=QUICK_FAULTS)


async def test_it_says_how_hard_it_may_be_used(wire_broker):
    assert isinstance(wire_broker, LimitedBroker)
    assert wire_broker.limits.concurrency >= 1


@each_fault
async def test_a_failed_read_of_positions_is_an_error_of_the_tree(wire, wire_broker, fault):
    wire.hold(holding(wire.symbol, "7"))
    wire.server.faults[wire.positions_marker], expected = fault
    with pytest.raises(expected) as caught:
        await wire_broker.get_positions(wire.account_id)
    assert caught.value.account_id == wire.account_id


@each_quick_fault
async def test_a_failed_read_of_balances_is_one_of_our_own_errors(wire, wire_broker, fault):
    wire.server.faults[wire.account_marker], expected = fault
    with pytest.raises(expected) as caught:
        await wire_broker.get_account(wire.account_id)
    assert caught.value.account_id == wire.account_id


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"retry-after": "2.5"}, 2.5), ({"Retry-After": "soon"}, None)],
)
async def test_a_wait_that_the_broker_requests_is_passed_on(wire, wire_broker, header, seconds):
    wire.server.faults[wire.positions_marker] = Fault(reply=Reply({}, 429, header))
    with pytest.raises(RateLimited) as caught:
        await wire_broker.get_positions(wire.account_id)
    assert caught.value.retry_after_seconds == seconds


async def test_a_wait_until_a_date_is_handed_on_in_seconds(wire, wire_broker):
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    wire.server.faults[wire.positions_marker] = Fault(reply=Reply({}, 429, {"Retry-After": date}))
    with pytest.raises(RateLimited) as caught:
        await wire_broker.get_positions(wire.account_id)
    assert 500 < caught.value.retry_after_seconds <= 600


async def test_one_refusal_is_one_request(wire, wire_broker):
    await wire_broker.get_positions(wire.account_id)
    wire.server.failed = 0
    wire.server.faults[wire.positions_marker] = Fault(reply=Reply({}, 429, {"Retry-After": "1"}))
    with pytest.raises(RateLimited):
        await wire_broker.get_positions(wire.account_id)
    assert wire.server.failed == 1


async def test_another_account_s_answer_is_refused(own_wire, own_broker):
    if reason := own_wire.cannot_express.get(cases.Fault.OTHER_ACCOUNT):
        pytest.skip(reason)
    own_wire.hold(holding(own_wire.symbol, "7"))
    own_wire.become_another_account()
    for read in (own_broker.get_positions, own_broker.get_account):
        with pytest.raises(BadData):
            await read(own_wire.account_id)


async def test_an_account_of_another_connection_is_refused(wire, wire_broker):
    for read in (wire_broker.get_positions, wire_broker.get_account):
        with pytest.raises(ReadError):
            await read("SOME-OTHER-ACCOUNT")


async def test_an_empty_list_beside_a_market_value_is_incomplete(own_wire, own_broker):
    if not own_wire.contradicts_flat():
        pytest.skip("this broker's figures don't tell what is held")
    with pytest.raises(Incomplete):
        await own_broker.get_positions(own_wire.account_id)


async def test_after_a_fault_the_next_read_is_whole_again(wire, wire_broker):
    wire.hold(holding(wire.symbol, "7"))
    wire.server.faults[wire.positions_marker] = Fault(drops=True)
    with pytest.raises(Unavailable):
        await wire_broker.get_positions(wire.account_id)
    wire.server.faults.clear()
    [row] = await wire_broker.get_positions(wire.account_id)
    assert row.quantity == 7


async def test_a_closed_broker_refuses_and_closes_twice(own_wire):
    broker = own_wire.open()
    assert isinstance(broker, ClosableBroker)
    await broker.close()
    await broker.close()
    with pytest.raises(Unavailable):
        await broker.get_positions(own_wire.account_id)
