"""The port to the firm's own book."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol, runtime_checkable

from reconciliation.errors import ReadError
from reconciliation.models import AssetType
from reconciliation.values import aware_utc, exact_decimal, optional_decimal


class PositionLike(Protocol):
    """What the comparator reads of a local position; anything that has these four will do."""

    @property
    def symbol(self) -> str: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def avg_cost(self) -> Decimal | None: ...
    @property
    def asset_type(self) -> AssetType: ...


@dataclass(frozen=True)
class LocalPosition:
    """One row of the local book, as our own providers give it."""

    symbol: str
    #: Signed: short is negative.
    quantity: Decimal
    #: Per unit, without the multiplier. None: not kept.
    avg_cost: Decimal | None
    asset_type: AssetType
    currency: str | None = None
    multiplier: Decimal | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"position {self.symbol!r}"
        object.__setattr__(self, "quantity", exact_decimal(self.quantity, f"{where}: quantity"))
        for name in ("avg_cost", "multiplier"):
            object.__setattr__(self, name, optional_decimal(getattr(self, name), f"{where}: {name}"))
        object.__setattr__(self, "asset_type", AssetType(self.asset_type))


class BookRow(NamedTuple):
    """The same as `LocalPosition`, unchecked and as light as can be: a sweep reads thousands of them."""

    symbol: str
    quantity: Decimal
    avg_cost: Decimal | None
    asset_type: AssetType
    currency: str | None = None
    multiplier: Decimal | None = None
    identifiers: Mapping[str, str] = {}


@runtime_checkable
class PositionProvider(Protocol):
    """The least that a local book must do. None for cash or equity is "not kept": never compared, never zero."""

    async def get_positions(self, account_id: str) -> Sequence[PositionLike]: ...
    async def get_cash(self, account_id: str) -> Decimal | None: ...
    async def get_equity(self, account_id: str) -> Decimal | None: ...


@dataclass(frozen=True, kw_only=True)
class LocalSnapshot:
    """Positions, cash and equity of one account, of one moment."""

    account_id: str
    positions: Sequence[PositionLike]
    cash: Decimal | None = None
    equity: Decimal | None = None
    currency: str | None = None
    cash_by_currency: Mapping[str, Decimal] = field(default_factory=dict)
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("cash", "equity"):
            number = optional_decimal(getattr(self, name), f"account {self.account_id!r}: {name}")
            object.__setattr__(self, name, number)
        if self.as_of is not None:
            object.__setattr__(self, "as_of", aware_utc(self.as_of))


class LocalBook(ABC):
    """A local book that answers for many accounts in one consistent read.

    Subclass it beside `PositionProvider`; it is found by type, never by probing for a method.
    """

    @abstractmethod
    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        """Return an entry for each asked account: its snapshot, or the error of that account alone.

        Raises:
            ReadError: nothing could be read for any of them.
        """
