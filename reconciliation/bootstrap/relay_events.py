"""The relay: committed events from the outbox to channel `reconciliation:break` and stream `reconciliation:events`.

An event leaves the outbox only after Redis has it: a crash in between repeats it, with the same `event_id`, and never
loses it. Each relay sends an account's events in their order and without a gap, so that a reader who drops ids that it
knows sees each once, in order.
"""

import json
from collections.abc import Sequence

import redis
from sqlalchemy import Engine

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.outbox import WaitingEvent, forget_events, has_events, take_events
from reconciliation.errors import CoordinationError
from reconciliation.messages.break_events import BREAK_CHANNEL, EVENT_STREAM

#: One transaction holds its accounts' first events while it publishes: short, so that others need not wait.
BATCH_EVENTS = 500
#: One call ends after so many, and the next tick goes on: a task must not outlast its time limit.
BATCHES_PER_CALL = 40


class OutboxRelay:
    """Publishes what waits. Any number may run at once.

    Args:
        engine: of the database with the outbox.
        client: the Redis of channels and streams.
        address: its URL without secrets, for messages.
        stream_max_events: the stream forgets older ones, roughly beyond this number.
    """

    def __init__(self, engine: Engine, client: redis.Redis, *, address: str, stream_max_events: int) -> None:
        self._engine = engine
        self._client = client
        self._address = address
        self._stream_max_events = stream_max_events

    def publish_waiting(self, account_ids: Sequence[str] | None = None) -> int:
        """Publish the events that wait, of these accounts or of all; return how many.

        Raises:
            CoordinationError: Redis cannot be reached; what was not published waits on.
            StorageError: the database cannot be reached.
        """
        published = 0
        for _ in range(BATCHES_PER_CALL):
            sent = self._publish_batch(account_ids)
            published += sent
            if sent == 0:
                break
        return published

    def _publish_batch(self, account_ids: Sequence[str] | None) -> int:
        if not has_events(self._engine):
            return 0
        with write_transaction(self._engine) as connection:
            events = take_events(connection, limit_events=BATCH_EVENTS, account_ids=account_ids)
            if events:
                self._publish(events)
                forget_events(connection, events)
        return len(events)

    def _publish(self, events: Sequence[WaitingEvent]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for event in events:
            payload = json.dumps(event.payload)
            fields = {
                "event_id": str(event.event_id),
                "account_id": event.account_id,
                "kind": event.kind,
                "payload": payload,
            }
            pipeline.xadd(EVENT_STREAM, fields, maxlen=self._stream_max_events, approximate=True)  # type: ignore[arg-type]
            pipeline.publish(BREAK_CHANNEL, payload)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise CoordinationError(
                f"events could not be published: Redis at {self._address} failed: {error}"
            ) from error
