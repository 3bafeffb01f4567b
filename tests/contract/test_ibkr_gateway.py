"""Traps of TWS and IB Gateway, through the real SDK and the real protocol."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import (
    AuthError,
    BadData,
    ConfigurationError,
    Incomplete,
    RateLimited,
    ReadError,
    Unavailable,
)
from tests.brokers.fake_tws import Books, FakeTws, Row, TwsFault
from tests.support.waiting import wait_for

pytest.importorskip("ib_async", reason="needs the extra ibkr")


@pytest.fixture
def tws() -> Iterator[FakeTws]:
    books = Books()
    books.set("U1", [Row(con_id=1, symbol="AAPL", quantity="10", avg_cost="150.25", market_value="1600.5")])
    books.set("U2", [])
    with FakeTws(books) as server:
        yield server


def ibkr(tws: FakeTws, **options):
    return open_broker(
        "ibkr", {"port": tws.port, "connect_timeout_seconds": 2, "answer_timeout_seconds": 0.5, **options}
    )


async def eventually(broker, account_id: str = "U1") -> BrokerSnapshot:
    """Read until it works: what the worker's retries do."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await snapshot(broker, account_id)
            except ReadError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(0.02)


async def snapshot(broker, account_id: str = "U1") -> BrokerSnapshot:
    answer = (await broker.get_snapshots([account_id]))[account_id]
    if isinstance(answer, ReadError):
        raise answer
    return answer


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (TwsFault.NO_POSITION_END, Incomplete),
        (TwsFault.NO_SUMMARY_END, Incomplete),
        (TwsFault.NO_SUMMARY_ROWS, Incomplete),
        (TwsFault.SUMMARY_LIMIT, RateLimited),
        (TwsFault.RATE_EXCEEDED, RateLimited),
        (TwsFault.REFUSED, BadData),
        (TwsFault.DISCLAIMER, AuthError),
        (TwsFault.DROPPED, Unavailable),
        (TwsFault.TRUNCATED, Unavailable),
        (TwsFault.GARBLED, BadData),
        (TwsFault.NO_QUANTITY, BadData),
        (TwsFault.STRANGE_ACCOUNT, BadData),
    ],
)
async def test_a_fault_amid_an_answer_is_an_error_and_the_next_read_is_whole(tws, fault, kind):
    broker = ibkr(tws)
    await snapshot(broker)
    tws.faults = {fault}
    with pytest.raises(ReadError) as caught:
        await snapshot(broker)
    assert type(caught.value) is kind
    tws.faults = set()
    assert [position.symbol for position in (await snapshot(broker)).positions] == ["AAPL"]
    await broker.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(TwsFault.NO_LOGIN_END, Incomplete), (TwsFault.HTML, Unavailable), (TwsFault.SILENT, Unavailable)],
)
async def test_a_login_that_does_not_complete_is_an_error(tws, fault, kind):
    broker = ibkr(tws, connect_timeout_seconds=0.5)
    tws.faults = {fault}
    with pytest.raises(ReadError) as caught:
        await snapshot(broker)
    assert type(caught.value) is kind
    await broker.close()


async def test_a_port_without_a_listener_is_unavailable(tws):
    tws.stop()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await snapshot(ibkr(tws))


async def test_cached_data_is_refused_until_the_link_is_restored(tws):
    broker = ibkr(tws)
    await snapshot(broker)
    tws.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
    for _ in range(3):
        with pytest.raises(Incomplete, match="1100"):
            await snapshot(broker)
    tws.tell(1102, "Connectivity between IB and Trader Workstation has been restored - data maintained.")
    assert (await eventually(broker)).positions
    await broker.close()


async def test_a_gateway_that_is_cut_off_at_login_is_refused(tws):
    tws.faults = {TwsFault.CUT_OFF}
    broker = ibkr(tws)
    for _ in range(2):
        with pytest.raises(Incomplete, match="1100"):
            await snapshot(broker)
    assert len(tws.logins) == 1
    tws.faults = set()
    tws.tell(1101, "Connectivity between IB and Trader Workstation has been restored - data lost.")
    assert (await eventually(broker)).positions
    await broker.close()


async def test_the_connection_is_lost_amid_a_read_and_the_read_fails_at_once(tws):
    broker = ibkr(tws, answer_timeout_seconds=30)
    await snapshot(broker)
    tws.faults = {TwsFault.NO_POSITION_END}
    reading = asyncio.create_task(snapshot(broker))
    await asyncio.to_thread(wait_for, lambda: tws.unanswered)
    tws.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
    with pytest.raises(Incomplete, match="1100"):
        await reading
    await broker.close()


async def test_what_was_being_read_when_the_link_came_back_is_void(tws):
    broker = ibkr(tws, answer_timeout_seconds=30)
    await snapshot(broker)
    tws.faults = {TwsFault.NO_POSITION_END}
    reading = asyncio.create_task(snapshot(broker))
    await asyncio.to_thread(wait_for, lambda: tws.unanswered)
    tws.tell(1101, "Connectivity between IB and Trader Workstation has been restored - data lost.")
    with pytest.raises(Unavailable, match="link to IBKR was restored"):
        await reading
    await broker.close()


async def test_workers_that_share_a_range_of_client_ids_each_find_one_of_their_own(tws):
    brokers = [ibkr(tws, client_ids="21-23") for _ in range(3)]
    for broker in brokers:
        assert (await snapshot(broker)).positions
    assert sorted(tws.active_ids) == [21, 22, 23]
    with pytest.raises(Unavailable, match="all client ids from 21 to 23 are in use"):
        await snapshot(ibkr(tws, client_ids="21-23"))
    await brokers[1].close()
    wait_for(lambda: len(tws.active_ids) == 2)
    assert (await snapshot(brokers[1])).positions
    for broker in brokers:
        await broker.close()


async def test_a_restart_of_the_gateway_is_survived(tws):
    broker = ibkr(tws)
    await snapshot(broker)
    tws.stop()
    with pytest.raises(Unavailable):
        await snapshot(broker)
    with pytest.raises(Unavailable):
        await snapshot(broker)
    tws.start()
    assert (await eventually(broker)).positions
    await broker.close()


async def test_many_reads_use_one_connection_and_leave_no_subscription_behind(tws):
    broker = ibkr(tws, answer_timeout_seconds=10)
    for _ in range(12):
        await snapshot(broker)
    assert len(tws.logins) == 1
    await broker.close()


async def test_reads_at_the_same_time_take_turns(tws):
    broker = ibkr(tws)
    answers = await asyncio.gather(*(snapshot(broker, account) for account in ["U1", "U2"] * 5))
    assert [len(answer.positions) for answer in answers] == [1, 0] * 5
    assert len(tws.logins) == 1
    await broker.close()


async def test_a_read_that_was_cancelled_does_not_end_the_next_one_early(tws):
    broker = ibkr(tws, answer_timeout_seconds=30)
    await snapshot(broker)
    tws.faults = {TwsFault.NO_POSITION_END}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(snapshot(broker), 0.2)
    tws.faults = set()
    assert (await snapshot(broker)).positions
    assert len(tws.logins) == 2
    await broker.close()


async def test_market_values_come_from_the_portfolio_when_asked_for(tws):
    broker = ibkr(tws, market_values=True)
    (position,) = (await snapshot(broker)).positions
    assert str(position.market_value) == "1600.5"
    assert (await snapshot(broker, "U2")).positions == ()
    await broker.close()


async def test_an_account_of_another_login_is_refused_alone(tws):
    broker = ibkr(tws)
    answers = await broker.get_snapshots(["U1", "U9"])
    assert isinstance(answers["U1"], BrokerSnapshot)
    assert isinstance(answers["U9"], BadData)
    with pytest.raises(BadData, match="U9"):
        await broker.get_positions("U9")
    await broker.close()


async def test_a_login_with_more_accounts_than_ibkr_answers_for_is_incomplete(tws):
    for number in range(60):
        tws.books.set(f"U{number}", [])
    with pytest.raises(Incomplete, match="60 accounts"):
        await snapshot(ibkr(tws))


def test_a_short_program_leaves_no_connection_behind(tws):
    broker = ibkr(tws)
    for _ in range(2):
        assert asyncio.run(snapshot(broker)).positions
    wait_for(lambda: not tws.active_ids)
    assert len(tws.logins) == 2


def test_the_long_lived_loop_of_a_worker_thread_works_though_it_is_no_thread_s_default(tws):
    broker = ibkr(tws)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for _ in range(2):
            answer = asyncio.run_coroutine_threadsafe(snapshot(broker), loop).result(20)
            assert answer.positions
        asyncio.run_coroutine_threadsafe(broker.close(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
    assert len(tws.logins) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "'port'"),
        ({"port": 70000}, "'port'"),
        ({"port": 4002, "client_ids": "0-3"}, "'client_ids'"),
        ({"port": 4002, "client_ids": "9-3"}, "'client_ids'"),
        ({"port": 4002, "client_ids": "1-99"}, "'client_ids'"),
        ({"port": 4002, "client_ids": "abc"}, "'client_ids'"),
        ({"port": 4002, "answer_timeout_seconds": 0}, "'answer_timeout_seconds'"),
        ({"port": 4002, "clientid": 3}, "'clientid'"),
    ],
)
def test_options_that_cannot_work_are_named(options, told):
    with pytest.raises(ConfigurationError, match=told):
        open_broker("ibkr", options)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("reconciliation.adapters.brokers.ibkr")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ib_async", None)
    with pytest.raises(ConfigurationError, match=r"reconciliation-workers\[ibkr\]"):
        open_broker("ibkr", {"port": 4002})
