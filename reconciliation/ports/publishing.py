"""What is published: results to the channels, committed events to the stream."""

from collections.abc import Sequence
from typing import Protocol

from reconciliation.domain.model.models import ReconciliationResult


class ResultPublisher(Protocol):
    """Tells the world; one pipeline a call. Blocking."""

    def publish(self, results: Sequence[ReconciliationResult]) -> None: ...


class EventRelay(Protocol):
    """The outbox's relay."""

    def publish_waiting(self, account_ids: Sequence[str] | None = None) -> int: ...
