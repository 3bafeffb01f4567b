"""What is published: results to the channels, committed events to the stream."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from reconciliation.domain.model.models import ReconciliationResult


class ResultPublisher(Protocol):
    """Publishes results on the channels, many in one go. Blocking."""

    def publish(self, results: Sequence[ReconciliationResult]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class WaitingEvent:
    """One event that is committed and waits to be published."""

    id: int
    event_id: UUID
    account_id: str
    kind: str
    payload: dict[str, Any]


class Outbox(Protocol):
    """Events that were committed together with the change that they report. Blocking."""

    def waiting(
        self, limit_events: int, account_ids: Sequence[str] | None = None
    ) -> AbstractContextManager[Sequence[WaitingEvent]]:
        """Hold the oldest events that no other relay holds, of each account without a gap.

        They are removed at the end of the block; they stay where the block raises.

        Raises:
            StorageError: the database cannot be reached.
        """
        ...


class EventStream(Protocol):
    """Where committed events are published. Blocking."""

    def publish(self, events: Sequence[WaitingEvent]) -> None:
        """Publish them in this order; when it returns, all were taken.

        Raises:
            CoordinationError: some may have been taken.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ChannelMessage:
    """One message: the name of its channel, and its payload."""

    channel: str
    payload: dict[str, Any]


class ChannelListener(Protocol):
    """Hears what is published to some channels. Blocking; every method but `close` may raise CoordinationError."""

    def reconnect(self) -> None:
        """Subscribe again, and return when every channel is confirmed."""
        ...

    def listen(self, timeout_seconds: float) -> ChannelMessage | None:
        """Return the next message; None if there was none within `timeout_seconds`."""
        ...

    def close(self) -> None: ...
