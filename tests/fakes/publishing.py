"""The ports of publishing in memory: results, the outbox, and the event stream."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.errors import CoordinationError
from reconciliation.ports.publishing import WaitingEvent


class MemoryPublisher:
    """A `ResultPublisher` that keeps what was published."""

    def __init__(self) -> None:
        self.published: list[ReconciliationResult] = []
        self.error: Exception | None = None

    def publish(self, results: Sequence[ReconciliationResult]) -> None:
        if self.error is not None:
            raise self.error
        self.published += results


class MemoryOutbox:
    """An `Outbox`; `events` are those that wait."""

    def __init__(self, events: Sequence[WaitingEvent] = ()) -> None:
        self.events = list(events)

    @contextmanager
    def waiting(self, limit_events: int, account_ids: Sequence[str] | None = None) -> Iterator[Sequence[WaitingEvent]]:
        held = [event for event in self.events if account_ids is None or event.account_id in account_ids]
        yield held[:limit_events]
        self.events = [event for event in self.events if event not in held[:limit_events]]


class MemoryEventStream:
    """An `EventStream` that keeps what it took; `is_away` as Redis may be."""

    def __init__(self) -> None:
        self.events: list[WaitingEvent] = []
        self.is_away = False

    def publish(self, events: Sequence[WaitingEvent]) -> None:
        if self.is_away:
            raise CoordinationError("Redis is away")
        self.events += events
