"""The stream consumer: what it acknowledges, what it sets aside, and whose entries it takes over."""

import json

import pytest

from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.fill_stream import RedisFillStream
from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.errors import CoordinationError
from reconciliation.messages.fills import parse_fill_message
from reconciliation.usecases.consume_fill_stream import FillConsumer
from reconciliation.usecases.record_fills import FillRecorder
from tests.fakes.task_queue import MemoryTaskQueue
from tests.support.fill_lab import fills_counted
from tests.support.spaces import space_of

STREAM, GROUP = "orders:fills", "reconciliation"


class RecorderThatDies:
    """Records nothing, as a process that is killed between reading and recording."""

    def record_each(self, reports):
        raise CoordinationError("killed")


@pytest.fixture
def tasks():
    return MemoryTaskQueue()


@pytest.fixture
def recorder(redis_client, tasks):
    windows = FillWindows(space_of(redis_client), times=FillTimes())
    return FillRecorder(windows, tasks)


def consumer(redis_client, recorder, name="one", take_over_after_ms=60_000):
    stream = RedisFillStream(space_of(redis_client), stream=STREAM, group=GROUP, consumer=name)
    return FillConsumer(stream, recorder, take_over_after_ms=take_over_after_ms)


def add(redis_client, account_id="A", **fields):
    return redis_client.xadd(STREAM, {"schema": "1", "account_id": account_id, **fields})


def pending(redis_client):
    return redis_client.xpending(STREAM, GROUP)["pending"]


def received(redis_client, account_id="A"):
    return fills_counted(redis_client, account_id, "t:")


def test_entries_are_noted_and_then_acknowledged(redis_client, recorder, tasks):
    for number in range(1_200):
        add(redis_client, f"A-{number % 3}", fill_id=f"F-{number}", quantity="1.5")
    taker = consumer(redis_client, recorder)
    taker.drain()
    assert taker.consumed.recorded == 1_200
    assert [received(redis_client, f"A-{number}") for number in range(3)] == [400, 400, 400]
    assert len(tasks.wake_ups) == 3
    assert pending(redis_client) == 0


def test_an_entry_may_hold_its_fill_as_json(redis_client, recorder):
    redis_client.xadd(STREAM, {"fill": json.dumps({"schema": 1, "account_id": "A", "quantity": 2})})
    consumer(redis_client, recorder).drain()
    assert received(redis_client) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema": "1"}, "account_id: is missing"),
        ({"schema": "9", "account_id": "A"}, "schema: '9' is not known"),
        ({"schema": "1", "account_id": "A", "price": "cheap"}, "price: 'cheap' is not a number"),
        ({"fill": "{"}, "fill: is not JSON"),
        ({"fill": "[1]"}, "fill: is not a JSON object"),
    ],
)
def test_a_bad_entry_goes_to_the_dead_letters_with_the_reason(redis_client, recorder, fields, reason):
    bad = redis_client.xadd(STREAM, fields)
    add(redis_client)
    taker = consumer(redis_client, recorder)
    taker.drain()
    [(_, letter)] = redis_client.xrange(f"{STREAM}:dead")
    assert reason in letter.pop("reason")
    assert letter == {**fields, "entry_id": bad}
    assert (taker.consumed.recorded, taker.consumed.refused, pending(redis_client)) == (1, 1, 0)


def test_a_fill_of_an_unknown_account_is_set_aside_and_one_of_a_disabled_account_is_ignored(redis_client, recorder):
    redis_client.hset("t:accounts", mapping={"": "{}", "off": '{"enabled": false}'})
    add(redis_client, "who")
    add(redis_client, "off")
    taker = consumer(redis_client, recorder)
    taker.drain()
    [(_, letter)] = redis_client.xrange(f"{STREAM}:dead")
    assert "account 'who' is not registered" in letter["reason"]
    assert (taker.consumed.ignored, pending(redis_client)) == (1, 0)


def test_the_entries_of_a_dead_consumer_are_taken_over_and_counted_once(redis_client, recorder):
    for number in range(5):
        add(redis_client, fill_id=f"F-{number}")
    with pytest.raises(CoordinationError):
        consumer(redis_client, RecorderThatDies(), "dead").drain()
    assert pending(redis_client) == 5
    # It died after noting two of them, before it could acknowledge.
    first, second = [entry_id for entry_id, _ in redis_client.xrange(STREAM)][:2]
    recorder.record_each([(_message(redis_client, entry_id), entry_id) for entry_id in (first, second)])
    consumer(redis_client, recorder, "alive", take_over_after_ms=0).drain()
    assert received(redis_client) == 5
    assert pending(redis_client) == 0


def _message(redis_client, entry_id):
    [(_, fields)] = redis_client.xrange(STREAM, entry_id, entry_id)
    return parse_fill_message(fields)


def test_entries_that_a_live_consumer_just_got_are_left_to_it(redis_client, recorder):
    add(redis_client)
    with pytest.raises(CoordinationError):
        consumer(redis_client, RecorderThatDies(), "busy").drain()
    consumer(redis_client, recorder, "other", take_over_after_ms=60_000).drain()
    assert received(redis_client) == 0
    assert pending(redis_client) == 1


def test_an_entry_that_was_deleted_while_its_consumer_was_dead_blocks_no_other(redis_client, recorder):
    entry_id = add(redis_client)
    with pytest.raises(CoordinationError):
        consumer(redis_client, RecorderThatDies(), "dead").drain()
    redis_client.xdel(STREAM, entry_id)
    add(redis_client)
    consumer(redis_client, recorder, "alive", take_over_after_ms=0).drain()
    assert received(redis_client) == 1
    assert pending(redis_client) == 0


def test_a_consumer_goes_on_after_redis_was_away(own_redis, recorder, tasks):
    with connect(own_redis.url, 1) as client:
        windows = FillWindows(space_of(client), times=FillTimes())
        taker = consumer(client, FillRecorder(windows, tasks))
        own_redis.kill()
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 2:
                own_redis.start()
                add(client)

        taker.run(lambda: taker.consumed.recorded == 1, pause)
        assert pauses == [0.5, 1.0]
