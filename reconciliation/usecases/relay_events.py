"""Relay committed events from the outbox to the event stream.

An event leaves the outbox only after the stream took it: a crash in between repeats it, with the same `event_id`, and
never loses it. Each relay sends an account's events in their order and without a gap, so that a reader who drops ids
that it knows sees each once, in order.
"""

from collections.abc import Sequence

from reconciliation.ports.publishing import EventStream, Outbox

#: One transaction holds its accounts' first events while it publishes: short, so that others need not wait.
BATCH_EVENTS = 500
#: Batches of one call; the next tick goes on. A task must not outlast its time limit.
BATCHES_PER_CALL = 40


class EventRelay:
    """Publishes what waits. Any number may run at once."""

    def __init__(self, outbox: Outbox, stream: EventStream) -> None:
        self._outbox = outbox
        self._stream = stream

    def publish_waiting(self, account_ids: Sequence[str] | None = None) -> int:
        """Publish the events that wait, of these accounts or of all; return how many.

        Raises:
            CoordinationError: Redis cannot be reached; what was not published waits on.
            StorageError: the database cannot be reached.
        """
        published = 0
        for _ in range(BATCHES_PER_CALL):
            with self._outbox.waiting(BATCH_EVENTS, account_ids) as events:
                if events:
                    self._stream.publish(events)
            if not events:
                break
            published += len(events)
        return published
