"""The transport under the SDKs, by itself: what the time-out around a whole question would otherwise hide."""

import logging
from threading import Timer

import pytest
from requests import Session

from reconciliation.adapters.brokers.sdk.requests_transport import GuardedAdapter, guard
from reconciliation.errors import BadData, Unavailable
from tests.brokers.http_server import BrokerServer, Fault, Reply


@pytest.fixture
def server():
    server = BrokerServer(lambda _: Reply([1.10]))
    yield server
    server.close()


@pytest.fixture
def session():
    with Session() as session:
        guard(session, GuardedAdapter(who="X", timeout_seconds=3))
        yield session


def test_a_drip_ends_by_the_clock_and_frees_its_thread(server, session):
    server.route = lambda _: Reply(f"[{' ' * 100_000}]")
    server.faults["GET"] = Fault(drips=True)
    # Each packet comes in time, so that nothing but the deadline ends it; the server gives up long after.
    giving_up = Timer(20, server.closing.set)
    giving_up.start()
    try:
        with pytest.raises(Unavailable, match="did not finish its answer within"):
            session.get(server.url)
        assert not server.closing.is_set()
    finally:
        giving_up.cancel()


def test_urls_are_not_logged(server, session, caplog):
    caplog.set_level(logging.DEBUG)
    session.get(f"{server.url}/?apiKey=planted-key-in-a-url")
    assert "planted-key-in-a-url" not in caplog.text


def test_numbers_of_an_answer_keep_their_digits(server, session):
    server.route = lambda _: Reply('[{"qty": 0.123456789012345678901}]')
    assert str(session.get(server.url).json()[0]["qty"]) == "0.123456789012345678901"


def test_a_redirect_is_refused_and_not_followed(server, session):
    server.route = lambda _: Reply("", 307, {"Location": server.url})
    with pytest.raises(BadData, match="redirect"):
        session.get(server.url)
    assert len(server.asked) == 1


def test_an_answer_is_read_whole_from_many_packets(server, session):
    rows = [{"symbol": f"S{number}", "qty": "1"} for number in range(5_000)]
    server.route = lambda _: Reply(rows)
    assert session.get(server.url).json() == rows


def test_a_connection_is_used_again(server, session):
    for _ in range(5):
        session.get(server.url)
    adapter = session.get_adapter(server.url)
    [pool] = [adapter.poolmanager.pools[key] for key in adapter.poolmanager.pools.keys()]  # noqa: SIM118  not a dict
    assert pool.num_connections == 1
