"""Committed events in Redis: on stream `reconciliation:events`, and at once on channel `reconciliation:break`."""

import json
from collections.abc import Sequence

from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.messages.break_events import BREAK_CHANNEL, EVENT_STREAM
from reconciliation.ports.publishing import WaitingEvent


class RedisEventStream:
    """Implements `reconciliation.ports.publishing.EventStream`.

    Args:
        max_events: the stream forgets older ones, roughly beyond this number.
    """

    def __init__(self, space: RedisSpace, *, max_events: int) -> None:
        self._space = space
        self._max_events = max_events

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
