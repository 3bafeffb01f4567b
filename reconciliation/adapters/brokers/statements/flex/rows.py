"""The rows of a Flex statement that are read, each field checked on its way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from reconciliation.adapters.brokers.statements.values import date_and_time, number, optional_number
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import InvalidInputError

Attributes = Mapping[str, str]

_ASSET_TYPES: Mapping[str, AssetType] = {
    "STK": AssetType.STOCK,
    "OPT": AssetType.OPTION,
    "FUT": AssetType.FUTURE,
    "FOP": AssetType.FUTURE_OPTION,
    "FSFOP": AssetType.FUTURE_OPTION,
    "FUND": AssetType.FUND,
    "BOND": AssetType.BOND,
    "BILL": AssetType.BOND,
    "CRYPTO": AssetType.CRYPTO,
    "CASH": AssetType.FOREX,
    "CFD": AssetType.CFD,
    "WAR": AssetType.WARRANT,
    "IOPT": AssetType.WARRANT,
    "SWAP": AssetType.SWAP,
}
_SIDES = {"long": 1, "short": -1}


@dataclass(frozen=True, kw_only=True)
class PositionRow:
    """One `OpenPosition`: a summary of an instrument, or one lot of it."""

    section: ClassVar[str] = "OpenPositions"

    position: BrokerPosition
    model: str
    #: `SUMMARY` or `LOT`; without lots other words mean the first.
    level: str
    date: datetime | None

    @classmethod
    def read(cls, attributes: Attributes, account_id: str) -> Self:
        _check_account(attributes, account_id)
        symbol = _required(attributes, "symbol")
        quantity = _quantity(attributes, symbol)
        category = _required(attributes, "assetCategory")
        asset_type = _ASSET_TYPES.get(category, AssetType.OTHER)
        return cls(
            position=BrokerPosition(
                symbol,
                quantity,
                _cost(attributes, asset_type),
                _optional(attributes, "positionValue"),
                asset_type,
                currency=attributes.get("currency") or None,
                multiplier=_optional(attributes, "multiplier"),
                identifiers={name: attributes[name] for name in STRONG_IDENTIFIERS if attributes.get(name)},
            ),
            model=attributes.get("model", ""),
            level=attributes.get("levelOfDetail", "").upper(),
            date=_date(attributes, "reportDate"),
        )

    @property
    def is_lot(self) -> bool:
        return self.level == "LOT"

    @property
    def instrument(self) -> tuple[str, ...]:
        """What makes two rows rows of one instrument in one model."""
        position = self.position
        conid = position.identifiers.get("conid", "")
        return (position.asset_type, conid or position.symbol, position.currency or "", self.model)


@dataclass(frozen=True, kw_only=True)
class CashRow:
    """One `CashReportCurrency`: the cash of one currency, or the sum of all in base currency."""

    section: ClassVar[str] = "CashReport"

    currency: str
    model: str
    is_base: bool
    ending_cash: Decimal
    date: datetime | None

    @classmethod
    def read(cls, attributes: Attributes, account_id: str) -> Self:
        _check_account(attributes, account_id)
        currency = _required(attributes, "currency")
        is_base = currency == "BASE_SUMMARY" or attributes.get("levelOfDetail", "").lower() == "basecurrency"
        return cls(
            currency=currency,
            model=attributes.get("model", ""),
            is_base=is_base,
            ending_cash=number(_required(attributes, "endingCash"), f"{currency}: endingCash"),
            date=_date(attributes, "toDate"),
        )


@dataclass(frozen=True, kw_only=True)
class EquityRow:
    """One `EquitySummaryByReportDateInBase`: net asset value, accruals included."""

    section: ClassVar[str] = "EquitySummaryInBase"

    currency: str | None
    model: str
    total: Decimal
    date: datetime

    @classmethod
    def read(cls, attributes: Attributes, account_id: str) -> Self:
        _check_account(attributes, account_id)
        return cls(
            currency=attributes.get("currency") or None,
            model=attributes.get("model", ""),
            total=number(_required(attributes, "total"), "total"),
            date=date_and_time(_required(attributes, "reportDate"), "reportDate"),
        )


class FlexRows:
    """One `FlexStatement` while it is being read."""

    def __init__(self, attributes: Attributes, line: int) -> None:
        self.line = line
        self.account_id = attributes.get("accountId", "")
        self.to_date = attributes.get("toDate", "")
        self.generated = attributes.get("whenGenerated", "")
        self.account_currency: str | None = None
        #: Per section in the file; a section that is not there has no entry, an empty one an empty list.
        self.positions: list[PositionRow] | None = None
        self.cash: list[CashRow] | None = None
        self.equity: list[EquityRow] | None = None

    def open_section(self, name: str) -> None:
        if name == PositionRow.section:
            self.positions = self.positions or []
        elif name == CashRow.section:
            self.cash = self.cash or []
        else:
            self.equity = self.equity or []

    def add(self, row: PositionRow | CashRow | EquityRow) -> None:
        self.open_section(row.section)
        if isinstance(row, PositionRow) and self.positions is not None:
            self.positions.append(row)
        elif isinstance(row, CashRow) and self.cash is not None:
            self.cash.append(row)
        elif isinstance(row, EquityRow) and self.equity is not None:
            self.equity.append(row)


def _check_account(attributes: Attributes, account_id: str) -> None:
    named = attributes.get("accountId")
    if named and named != account_id:
        raise InvalidInputError(
            f"the row is of account {named!r} in a statement of {account_id!r}: "
            "set the Flex query to one statement per account (not consolidated)"
        )


def _required(attributes: Attributes, name: str) -> str:
    value = attributes.get(name, "")
    if not value.strip():
        raise InvalidInputError(f"{name} is missing: add the field to this section of the Flex query")
    return value


def _optional(attributes: Attributes, name: str) -> Decimal | None:
    return optional_number(attributes.get(name), name)


def _quantity(attributes: Attributes, symbol: str) -> Decimal:
    quantity = number(_required(attributes, "position"), f"{symbol}: position")
    side = attributes.get("side", "").lower()
    if side and quantity and (side not in _SIDES or quantity * _SIDES[side] < 0):
        raise InvalidInputError(f"{symbol}: position {quantity} and side {attributes['side']!r} contradict each other")
    return quantity


def _cost(attributes: Attributes, asset_type: AssetType) -> Decimal | None:
    cost = _optional(attributes, "costBasisPrice")
    # Futures are settled every day: without a price there is no cost, not a cost of nothing.
    return None if asset_type is AssetType.FUTURE and not cost else cost


def _date(attributes: Attributes, name: str) -> datetime | None:
    text = attributes.get(name, "")
    return date_and_time(text, name) if text.strip() else None
