import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from reconciliation.adapters.database.engine import build_engine, write_transaction
from reconciliation.adapters.database.outbox import SqlOutbox, backlog, take_events
from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.errors import CoordinationError
from reconciliation.usecases.relay_events import EventRelay
from tests.builders.ledger import after, finding, run
from tests.integration.adapters.database.books import Book, opened
from tests.support.fill_lab import PREFIX
from tests.support.spaces import space_of


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


def relay_of(book: Book, client: redis.Redis, stream_max_events: int = 100_000) -> EventRelay:
    return EventRelay(SqlOutbox(book.engine), RedisEventStream(space_of(client, PREFIX), max_events=stream_max_events))


def stream(client: redis.Redis) -> list[dict[str, Any]]:
    return [fields for _, fields in client.xrange("reconciliation:events")]


def fill_outbox(book: Book, *, accounts: int, turns: int) -> None:
    """Make each account's break come and go: `turns` events each."""
    for turn in range(turns):
        shown = turn % 2 == 0
        for second in (turn * 20, turn * 20 + 10):
            results = []
            for number in range(accounts):
                found = [finding(account_id=f"A{number}")] if shown else []
                results.append(run(second, *found, account_id=f"A{number}"))
            book.record(*results)


def test_a_committed_event_goes_to_the_channel_and_to_the_stream_once(book: Book, redis_client: redis.Redis) -> None:
    with redis_client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("reconciliation:break")
        channel.get_message(timeout=5)
        fill_outbox(book, accounts=1, turns=2)
        relay = relay_of(book, redis_client)
        assert backlog(book.engine).events == 2
        assert (relay.publish_waiting(), relay.publish_waiting()) == (2, 0)
        heard = [json.loads(channel.get_message(timeout=5)["data"]) for _ in range(2)]
    kept = stream(redis_client)
    assert [json.loads(event["payload"]) for event in kept] == heard
    assert [event["kind"] for event in kept] == ["opened", "resolved"]
    assert [event["sequence"] for event in heard] == [1, 2]
    assert [event["event_id"] for event in kept] == [event["event_id"] for event in heard]
    assert backlog(book.engine).events == 0


def test_events_wait_while_redis_is_away_and_none_is_lost(book: Book, redis_client: redis.Redis) -> None:
    fill_outbox(book, accounts=2, turns=1)
    away = connect("redis://127.0.0.1:1/0", 0.2)
    with pytest.raises(CoordinationError, match="cannot be reached"):
        relay_of(book, away).publish_waiting()
    away.close()
    waiting = backlog(book.engine)
    assert (waiting.events, waiting.oldest_at) == (2, after(10))
    assert relay_of(book, redis_client).publish_waiting() == 2


def test_a_transaction_that_rolls_back_publishes_nothing(book: Book, redis_client: redis.Redis) -> None:
    fill_outbox(book, accounts=1, turns=1)
    relay_of(book, redis_client).publish_waiting()

    class Stop(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Stop

    from sqlalchemy import event  # noqa: PLC0415

    event.listen(book.engine, "commit", interrupt)
    with pytest.raises(Stop):
        book.record(run(100))
    event.remove(book.engine, "commit", interrupt)
    assert relay_of(book, redis_client).publish_waiting() == 0
    assert book.states() == {"AAPL": "open"}


def test_several_relays_at_once_send_each_event_once_and_in_order(
    book: Book, database_url: str, redis_client: redis.Redis, redis_url: str
) -> None:
    fill_outbox(book, accounts=40, turns=6)

    def work(_: int) -> int:
        engine, client = build_engine(database_url), connect(redis_url, 5)
        relay = EventRelay(SqlOutbox(engine), RedisEventStream(space_of(client, PREFIX), max_events=100_000))
        sent = 0
        while backlog(engine).events:
            sent += relay.publish_waiting()
        engine.dispose()
        client.close()
        return sent

    with ThreadPoolExecutor(4) as relays:
        assert sum(relays.map(work, range(4))) == 240
    events = [json.loads(event["payload"]) for event in stream(redis_client)]
    assert len({event["event_id"] for event in events}) == len(events) == 240
    for number in range(40):
        own = [event["sequence"] for event in events if event["account_id"] == f"A{number}"]
        assert own == [1, 2, 3, 4, 5, 6]


def test_on_postgresql_an_account_that_another_relay_holds_is_left_to_it(
    postgres_url: str, redis_client: redis.Redis
) -> None:
    with opened(postgres_url) as book:
        fill_outbox(book, accounts=3, turns=2)
        with write_transaction(book.engine) as other:
            held = take_events(other, limit_events=100, account_ids=["A1"])
            assert [event.account_id for event in held] == ["A1", "A1"]
            assert relay_of(book, redis_client).publish_waiting() == 4
        assert relay_of(book, redis_client).publish_waiting() == 2


def test_the_stream_forgets_its_oldest_events(book: Book, redis_client: redis.Redis) -> None:
    fill_outbox(book, accounts=600, turns=1)
    assert relay_of(book, redis_client, stream_max_events=100).publish_waiting() == 600
    assert redis_client.xlen("reconciliation:events") < 300
