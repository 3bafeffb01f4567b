"""The port to the firm's own book."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from reconciliation.domain.model.snapshots import LocalSnapshot, PositionLike
from reconciliation.errors import ReadError


@runtime_checkable
class PositionProvider(Protocol):
    """The least that a local book must do. None for cash or equity is "not kept": never compared, never zero.

    The methods may be `async`, or plain ones, which are called in a thread of their own.
    """

    def get_positions(self, account_id: str) -> Sequence[PositionLike] | Awaitable[Sequence[PositionLike]]: ...
    def get_cash(self, account_id: str) -> Decimal | Awaitable[Decimal | None] | None: ...
    def get_equity(self, account_id: str) -> Decimal | Awaitable[Decimal | None] | None: ...


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


@dataclass(frozen=True, kw_only=True)
class PreviewRow:
    """One row of the users' own tables as it was read, and what it became, or why it could not."""

    part: str
    read: Mapping[str, Any]
    became: Mapping[str, Any] | None = None
    fault: str | None = None

    @property
    def read_text(self) -> str:
        return _pairs(self.read)

    @property
    def outcome_text(self) -> str:
        return f"became: {_pairs(self.became or {})}" if self.fault is None else f"fault: {self.fault}"

    def __str__(self) -> str:
        return f"{self.part}: {self.read_text} {self.outcome_text}"

    def as_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "part": self.part,
            "read": {name: _plain(value) for name, value in self.read.items()},
            "became": None if self.became is None else {name: _plain(value) for name, value in self.became.items()},
            "fault": self.fault,
        }


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_plain(value)!r}" for name, value in values.items())


def _plain(value: Any) -> Any:
    """Return a value as people and JSON write it."""
    if isinstance(value, Enum):
        return value.value
    return f"{value:f}" if isinstance(value, Decimal) else value
