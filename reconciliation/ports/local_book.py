"""The port to the firm's own book."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol, runtime_checkable

from reconciliation.domain.model.snapshots import LocalSnapshot, PositionLike
from reconciliation.errors import ReadError


@runtime_checkable
class PositionProvider(Protocol):
    """The least that a local book must do. None for cash or equity is "not kept": never compared, never zero."""

    async def get_positions(self, account_id: str) -> Sequence[PositionLike]: ...
    async def get_cash(self, account_id: str) -> Decimal | None: ...
    async def get_equity(self, account_id: str) -> Decimal | None: ...


class LocalBook(ABC):
    """A local book that answers for many accounts in one consistent read.

    It is a `PositionProvider` by its one method, and found by type, never by probing for a method.
    """

    async def get_positions(self, account_id: str) -> list[PositionLike]:
        """Return the positions of the account's snapshot."""
        return list((await self._snapshot(account_id)).positions)

    async def get_cash(self, account_id: str) -> Decimal | None:
        return (await self._snapshot(account_id)).cash

    async def get_equity(self, account_id: str) -> Decimal | None:
        return (await self._snapshot(account_id)).equity

    async def _snapshot(self, account_id: str) -> LocalSnapshot:
        answer = (await self.get_snapshots([account_id]))[account_id]
        if isinstance(answer, ReadError):
            raise answer
        return answer

    @abstractmethod
    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        """Return an entry for each asked account: its snapshot, or the error of that account alone.

        Raises:
            ReadError: nothing could be read for any of them.
        """
