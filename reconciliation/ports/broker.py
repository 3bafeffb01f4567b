"""The port to a broker: what we ask, and what an answer looks like.

An adapter raises a `ReadError` unless its answer is certainly complete. An empty list means "certainly flat".
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.errors import InvalidInputError, ReadError


@runtime_checkable
class BrokerQuery(Protocol):
    """The least that a broker adapter must do."""

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        """Return every holding, or raise `ReadError`. An empty list says for certain that the account is flat."""
        ...

    async def get_account(self, account_id: str) -> BrokerAccount:
        """Return the account's balances, or raise `ReadError`."""
        ...


class SnapshotBroker(ABC):
    """A broker that answers for many accounts at once, each in one consistent piece (statements, paper).

    It is a `BrokerQuery` by its one method, and found by type, never by probing for a method.
    """

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        """Return every holding of the account's snapshot."""
        return list((await self._snapshot(account_id)).positions)

    async def get_account(self, account_id: str) -> BrokerAccount:
        """Return the balances of the account's snapshot."""
        return (await self._snapshot(account_id)).account

    async def _snapshot(self, account_id: str) -> BrokerSnapshot:
        answer = (await self.get_snapshots([account_id]))[account_id]
        if isinstance(answer, ReadError):
            raise answer
        return answer

    @abstractmethod
    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        """Return an entry for each asked account: its snapshot, or the error of that account alone.

        Raises:
            ReadError: nothing could be read for any of them.
        """


class ClosableBroker(ABC):
    """A broker that holds connections or sessions, which must be closed in the event loop that used them.

    Subclass it beside `BrokerQuery`; it is found by type, never by probing for a method.
    """

    @abstractmethod
    async def close(self) -> None:
        """Close what was opened. Safe to call twice."""


@dataclass(frozen=True, kw_only=True)
class BrokerLimits:
    """How hard one login may be used: the broker's documented default, or what an operator has agreed with it."""

    #: None: no limit is known, or none applies (files).
    requests_per_second: float | None
    #: How many requests may be under way at once.
    concurrency: int
    #: How many requests one account costs as a rule, positions and balances together. It is what a broker is charged
    #: that takes no permits itself (see `MeteredBroker`).
    requests_per_account: int = 2

    def __post_init__(self) -> None:
        rate = self.requests_per_second
        if rate is not None and not 0 < rate < float("inf"):
            raise InvalidInputError(f"requests_per_second is {rate!r}: it must be more than 0")
        for name in ("concurrency", "requests_per_account"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)!r}: it must be at least 1")


class LimitedBroker(ABC):
    """A broker that says how hard its login may be used, all workers together.

    Subclass it beside `BrokerQuery`; it is found by type, never by probing for an attribute.
    """

    @property
    @abstractmethod
    def limits(self) -> BrokerLimits:
        """The limits of this login."""


class RequestPermits(Protocol):
    """Lets requests of one login through, as many at once and as many a second as the broker allows."""

    def permit(self) -> AbstractAsyncContextManager[None]:
        """Wait for a permit; it is released at the end of the block.

        Raises:
            CoordinationError: it is unknown whether the broker may be asked now.
        """
        ...


class MeteredBroker(LimitedBroker):
    """A broker that takes a permit for each request it sends, retries included, so that the limits hold exactly.

    The single requests of any other `LimitedBroker` cannot be seen: a read is charged what it is declared to cost.
    """

    @abstractmethod
    def take_permits_from(self, permits: RequestPermits) -> None:
        """Send each request within a permit of these from now on. Called at most once, before the first read."""
