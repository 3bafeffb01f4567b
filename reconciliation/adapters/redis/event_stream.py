"""Committed events in Redis: on stream `reconciliation:events`, and at once on channel `reconciliation:break`."""

import json
from collections.abc import Sequence
from typing import Any

from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.breaks.stream_lag import StreamLag
from reconciliation.messages.break_events import BREAK_CHANNEL, EVENT_STREAM
from reconciliation.ports.publishing import WaitingEvent

#: Entries counted in one call: Redis does nothing else meanwhile.
COUNTED_PER_CALL = 1000


class RedisEventStream:
    """Implements `reconciliation.ports.publishing.EventStream`.

    Args:
        max_events: the stream forgets older ones, roughly beyond this number.
    """

    def __init__(self, space: RedisSpace, *, max_events: int) -> None:
        self._space = space
        self._max_events = max_events
        self._count = space.script(packaged("stream_count"))

    def publish(self, events: Sequence[WaitingEvent]) -> None:
        """Publish them in this order, in one round trip.

        Raises:
            CoordinationError: Redis cannot be reached, or too few replicas confirmed; some may have been taken.
        """
        pipeline = self._space.client.pipeline(transaction=False)
        stream, channel = self._space.own_name(EVENT_STREAM), self._space.own_name(BREAK_CHANNEL)
        for event in events:
            payload = json.dumps(event.payload)
            fields = {
                "event_id": str(event.event_id),
                "account_id": event.account_id,
                "kind": event.kind,
                "payload": payload,
            }
            pipeline.xadd(stream, fields, maxlen=self._max_events, approximate=True)  # type: ignore[arg-type]
            pipeline.publish(channel, payload)
        # On the connection of the writes, or it would not wait for them.
        pipeline.wait(self._space.replicas, self._space.replica_timeout_ms)
        with self._space.explained():
            confirmed = pipeline.execute()[-1]
        self._space.require_replicas(confirmed)

    def lag(self) -> StreamLag:
        """Return how far each consumer group of the stream has read.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        client, stream = self._space.client, self._space.own_name(EVENT_STREAM)
        with self._space.explained():
            length: Any = client.xlen(stream)
            groups: Any = client.xinfo_groups(stream) if client.exists(stream) else []
        unread = {
            # None where Redis cannot say, as for a group that began in the middle; absent before Redis 7.
            group["name"]: self._unread_after(group["last-delivered-id"]) if group.get("lag") is None else group["lag"]
            for group in groups
        }
        return StreamLag(length=length, max_events=self._max_events, unread=unread)

    def _unread_after(self, entry_id: str) -> int:
        total = 0
        while total < self._max_events:
            counted, entry_id = self._count.call(self._space.own_name(EVENT_STREAM), entry_id, COUNTED_PER_CALL)
            total += counted
            if counted < COUNTED_PER_CALL:
                break
        return total
