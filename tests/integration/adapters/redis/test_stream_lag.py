"""What a consumer group has not read is known, and published before the stream drops it."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from reconciliation.adapters.database.outbox import SqlOutbox
from reconciliation.adapters.database.stream_lag import SqlStreamLag
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.messages.break_events import EVENT_STREAM
from reconciliation.usecases.relay_events import EventRelay
from tests.builders.ledger import after
from tests.integration.adapters.database.books import Book, opened
from tests.support.fill_lab import PREFIX
from tests.support.spaces import space_of

KEPT = 1000


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


@pytest.fixture
def stream(redis_client: redis.Redis) -> RedisEventStream:
    return RedisEventStream(space_of(redis_client, PREFIX), max_events=KEPT)


def write(client: redis.Redis, count: int) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(count):
            pipeline.xadd(EVENT_STREAM, {"kind": "opened"}, maxlen=KEPT, approximate=True)
        pipeline.execute()


def read(client: redis.Redis, group: str, count: int) -> None:
    client.xreadgroup(group, "one", {EVENT_STREAM: ">"}, count=count, noack=True)


def published(book: Book) -> list[tuple[str, str]]:
    return book.rows("SELECT account_id, kind FROM outbox ORDER BY id")


def test_the_unread_events_of_each_group_are_counted(stream: RedisEventStream, redis_client: redis.Redis) -> None:
    assert (stream.lag().length, stream.lag().unread) == (0, {})
    write(redis_client, 30)
    redis_client.xgroup_create(EVENT_STREAM, "pager", id="0")
    redis_client.xgroup_create(EVENT_STREAM, "late", id="$")  # Redis does not know the lag of such a group
    write(redis_client, 20)
    read(redis_client, "pager", 45)
    found = stream.lag()
    assert (found.length, found.max_events, found.unread) == (50, KEPT, {"pager": 5, "late": 20})


def test_a_count_that_redis_does_not_know_goes_on_over_many_calls(redis_client: redis.Redis) -> None:
    stream = RedisEventStream(space_of(redis_client, PREFIX), max_events=10_000)
    redis_client.xadd(EVENT_STREAM, {"kind": "opened"})
    redis_client.xgroup_create(EVENT_STREAM, "late", id="$")
    with redis_client.pipeline(transaction=False) as pipeline:
        for _ in range(2500):
            pipeline.xadd(EVENT_STREAM, {"kind": "opened"})
        pipeline.execute()
    assert stream.lag().unread == {"late": 2500}
    redis_client.xdel(EVENT_STREAM, *[entry_id for entry_id, _ in redis_client.xrange(EVENT_STREAM)[100:200]])
    assert stream.lag().unread == {"late": 2400}


def test_a_reader_that_falls_behind_is_published_before_anything_unread_is_dropped(
    book: Book, stream: RedisEventStream, redis_client: redis.Redis
) -> None:
    lag = SqlStreamLag(book.engine)
    redis_client.xgroup_create(EVENT_STREAM, "pager", id="0", mkstream=True)
    first: Any = None
    for look in range(8):
        write(redis_client, 100)
        first = first or redis_client.xrange(EVENT_STREAM, count=1)[0]
        queued = lag.check(stream.lag(), after(look * 5))
        assert queued == (look == 5)  # 600 of 1,000 unread
    assert redis_client.xrange(EVENT_STREAM, count=1)[0] == first
    assert published(book) == [("", "stream_lag")]
    book.announce(40)  # the check of accounts' conditions leaves it alone

    read(redis_client, "pager", 500)
    assert not lag.check(stream.lag(), after(45))  # 300 unread
    read(redis_client, "pager", 100)
    assert lag.check(stream.lag(), after(50))
    assert not lag.check(stream.lag(), after(55))
    assert published(book) == [("", "stream_lag"), ("", "stream_lag_ended")]
    assert book.rows("SELECT count(*) FROM account_conditions") == [(0,)]

    assert EventRelay(SqlOutbox(book.engine), stream).publish_waiting() == 2
    kinds = [fields["kind"] for _, fields in redis_client.xrevrange(EVENT_STREAM, count=2)]
    assert kinds == ["stream_lag_ended", "stream_lag"]


def test_a_second_group_that_falls_behind_is_published_and_one_that_is_deleted_has_ended(
    book: Book, stream: RedisEventStream, redis_client: redis.Redis
) -> None:
    lag = SqlStreamLag(book.engine)
    for group in ("pager", "tickets"):
        redis_client.xgroup_create(EVENT_STREAM, group, id="0", mkstream=True)
    write(redis_client, 600)
    read(redis_client, "tickets", 600)
    assert lag.check(stream.lag(), after(0))
    write(redis_client, 501)
    assert lag.check(stream.lag(), after(5))
    assert not lag.check(stream.lag(), after(10))
    for group in ("pager", "tickets"):
        redis_client.xgroup_destroy(EVENT_STREAM, group)
    assert lag.check(stream.lag(), after(15))
    assert [kind for _, kind in published(book)] == ["stream_lag", "stream_lag", "stream_lag_ended"]
