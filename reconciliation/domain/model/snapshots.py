"""What either side holds at one moment: rows and balances, as books and brokers give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.values import aware_utc, exact_decimal, optional_decimal


@dataclass(frozen=True)
class BrokerPosition:
    """One holding at the broker. Several rows of one (symbol, asset type) are allowed and mean their sum."""

    symbol: str
    #: Signed, in units or contracts: short is negative.
    quantity: Decimal
    #: Per unit, in `currency`, without the multiplier. None: the broker does not say.
    avg_cost: Decimal | None
    #: Signed, in `currency`, multiplier included.
    market_value: Decimal | None
    asset_type: AssetType
    currency: str | None = None
    #: Units per contract: 100 for a US equity option. None: the broker does not say.
    multiplier: Decimal | None = None
    #: Strong identifiers by lower-case name: isin, cusip, figi, conid.
    identifiers: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime | None = None

    def __post_init__(self) -> None:
        where = f"position {self.symbol!r}"
        object.__setattr__(self, "quantity", exact_decimal(self.quantity, f"{where}: quantity"))
        for name in ("avg_cost", "market_value", "multiplier"):
            object.__setattr__(self, name, optional_decimal(getattr(self, name), f"{where}: {name}"))
        object.__setattr__(self, "asset_type", AssetType(self.asset_type))
        if self.as_of is not None:
            object.__setattr__(self, "as_of", aware_utc(self.as_of))


@dataclass(frozen=True)
class BrokerAccount:
    """An account's balances at the broker. None is "the broker does not say": never compared, and never zero."""

    account_id: str
    cash: Decimal | None
    buying_power: Decimal | None
    total_equity: Decimal | None
    margin_used: Decimal | None
    #: The currency of the numbers above.
    currency: str | None = None
    #: Cash by currency, where the broker splits it. A stated zero stays in it.
    cash_by_currency: Mapping[str, Decimal] = field(default_factory=dict)
    as_of: datetime | None = None
    #: The split names every currency that is not zero: one that is not in it is zero.
    cash_split_is_whole: bool = False

    def __post_init__(self) -> None:
        for name in ("cash", "buying_power", "total_equity", "margin_used"):
            number = optional_decimal(getattr(self, name), f"account {self.account_id!r}: {name}")
            object.__setattr__(self, name, number)
        if self.as_of is not None:
            object.__setattr__(self, "as_of", aware_utc(self.as_of))


@dataclass(frozen=True, kw_only=True)
class BrokerSnapshot:
    """Positions and balances of one account that belong together."""

    account: BrokerAccount
    positions: Sequence[BrokerPosition]
    #: When the numbers were true; None where the broker does not say (then: when it was asked).
    as_of: datetime | None = None
    #: It was read from a statement, which is written once a business day, and not asked of a live broker.
    is_statement: bool = False


class PositionLike(Protocol):
    """What the comparator reads of a local position; any object with these four will do."""

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
    """One row of the local book."""

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
    """The same as `LocalPosition`, but unchecked and light: a sweep reads thousands of them."""

    symbol: str
    quantity: Decimal
    avg_cost: Decimal | None
    asset_type: AssetType
    currency: str | None = None
    multiplier: Decimal | None = None
    identifiers: Mapping[str, str] = {}


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
    #: As for `BrokerAccount`.
    cash_split_is_whole: bool = False

    def __post_init__(self) -> None:
        for name in ("cash", "equity"):
            number = optional_decimal(getattr(self, name), f"account {self.account_id!r}: {name}")
            object.__setattr__(self, name, number)
        if self.as_of is not None:
            object.__setattr__(self, "as_of", aware_utc(self.as_of))
