"""What must survive a failover counts only when replicas have it; and what stands under the key prefix."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis

from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.channels import ChannelPublisher
from reconciliation.adapters.redis.client import COMMAND_ATTEMPTS, connect
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.adapters.redis.fill_stream import RedisFillStream
from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.adapters.redis.listener import ChannelListener
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.errors import CoordinationError
from reconciliation.messages.runs import RESULT_CHANNEL
from reconciliation.ports.fill_windows import FillOutcome, FillReport
from reconciliation.ports.publishing import WaitingEvent
from reconciliation.usecases.relay_events import EventRelay
from tests.builders.ledger import run
from tests.fakes.publishing import MemoryOutbox
from tests.support.fill_lab import fills_counted
from tests.support.spaces import space_of
from tests.support.waiting import wait_for

EVENT = WaitingEvent(id=1, event_id=uuid4(), account_id="A", kind="opened", payload={"kind": "opened"})


@pytest.fixture
def replica(redis_url: str, redis_client: redis.Redis) -> Iterator[RedisServer]:
    """A second server that follows the first."""
    with RedisServer() as server, connect(server.url, 5) as client:
        first = urlsplit(redis_url)
        client.replicaof(first.hostname, first.port)
        wait_for(lambda: redis_client.info("replication")["connected_slaves"] == 1, 30, "the replica is connected")
        wait_for(lambda: client.info("replication")["master_link_status"] == "up", 30, "the replica is in step")
        yield server


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def careful(client: redis.Redis) -> RedisSpace:
    return RedisSpace(client, address="test", prefix="t:", replicas=1, replica_timeout_ms=300)


def report() -> FillReport:
    return FillReport("A", 1, {"fill_id": "F"}, "the call")


def test_a_fill_is_recorded_when_the_replica_has_it(redis_client, replica) -> None:
    windows = FillWindows(careful(redis_client), times=FillTimes())
    [recorded] = windows.record([report()])
    assert recorded.outcome is FillOutcome.RECORDED
    with connect(replica.url, 5) as client:
        assert fills_counted(client, "A", "t:") == 1


def test_a_fill_that_no_replica_has_is_an_error_and_its_repetition_counts_once(redis_client, replica) -> None:
    windows = FillWindows(careful(redis_client), times=FillTimes())
    with stopped(replica), pytest.raises(CoordinationError, match="0 of 1 replicas confirmed it within 300 ms"):
        windows.record([report()])
    wait_for(lambda: redis_client.wait(1, 1_000) == 1, 30, "the replica is back")
    [recorded] = windows.record([report()])
    assert recorded.wake_up is not None, "the wake-up of the first attempt was never sent"
    assert fills_counted(redis_client, "A", "t:") == 1


def test_an_event_leaves_the_outbox_when_the_replica_has_it(redis_client, replica) -> None:
    outbox = MemoryOutbox([EVENT])
    relay = EventRelay(outbox, RedisEventStream(careful(redis_client), max_events=1_000))
    with stopped(replica), pytest.raises(CoordinationError, match="a failover could lose it"):
        relay.publish_waiting()
    assert outbox.events == [EVENT]
    wait_for(lambda: redis_client.wait(1, 1_000) == 1, 30, "the replica is back")
    assert relay.publish_waiting() == 1
    with connect(replica.url, 5) as client:
        assert {fields["event_id"] for _, fields in client.xrange("t:events")} == {str(EVENT.event_id)}


def test_after_a_failover_the_connection_to_the_old_primary_is_dropped(redis_client, replica) -> None:
    with connect(replica.url, 5) as client:
        windows = FillWindows(space_of(client), times=FillTimes())
        before = client.info("stats")["total_connections_received"]
        with pytest.raises(CoordinationError, match="is a read-only replica"):
            windows.record([report()])
        assert client.info("stats")["total_connections_received"] - before >= COMMAND_ATTEMPTS
        client.replicaof("NO", "ONE")
        [recorded] = windows.record([report()])
        assert recorded.outcome is FillOutcome.RECORDED


def test_two_spaces_in_one_redis_do_not_mix_channels_and_streams(redis_client) -> None:
    one, other = space_of(redis_client, "one:"), space_of(redis_client, "other:")
    with ChannelListener(one, [RESULT_CHANNEL]) as ears:
        ChannelPublisher(other).publish([run(0)])
        ChannelPublisher(one).publish([run(1)])
        heard = wait_for(lambda: ears.listen(1), 30, "a result")
        assert heard.channel == RESULT_CHANNEL, "under its public name"
        assert ears.listen(0.1) is None
    RedisEventStream(one, max_events=1_000).publish([EVENT])
    assert (redis_client.xlen("one:events"), redis_client.exists("other:events", "reconciliation:events")) == (1, 0)
    RedisFillStream(other, stream="reconciliation:fills", group="g", consumer="c").ensure_group()
    RedisFillStream(other, stream="orders:fills", group="g", consumer="c").ensure_group()
    assert redis_client.exists("other:fills", "orders:fills") == 2
