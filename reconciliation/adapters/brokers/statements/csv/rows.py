"""The rows of a CSV export, gathered to accounts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.adapters.brokers.statements.csv.mapping import CsvMapping
from reconciliation.adapters.brokers.statements.csv.numbers import NumberStyle
from reconciliation.adapters.brokers.statements.statement import Statement, add_up_positions
from reconciliation.adapters.brokers.statements.values import date_and_time
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import EXACT
from reconciliation.errors import InvalidInputError

_FIGURES = ("cash", "equity", "buying_power", "margin_used")
_NAMES = ("account", "symbol")


class CsvRow:
    """One row by our column names; each property raises InvalidInputError naming the column."""

    def __init__(self, cells: Mapping[str, str], mapping: CsvMapping) -> None:
        self._cells = cells
        self._mapping = mapping
        self._style = NumberStyle(decimal=mapping.layout.decimal, thousands=mapping.layout.thousands)

    @property
    def is_ignored(self) -> bool:
        return any(self._cells.get(name) in values for name, values in self._mapping.ignore.items())

    @property
    def is_cash(self) -> bool:
        return self._cells.get("symbol") in self._mapping.cash_symbols

    @property
    def is_of_the_account_only(self) -> bool:
        """Whether the row has figures of the account and none of a position."""
        return bool(self.figures) and self.text("symbol") is None and self.text("quantity") is None

    @property
    def account_id(self) -> str:
        return self.required("account")

    @property
    def as_of(self) -> datetime | None:
        text = self.text("as_of")
        return None if text is None else date_and_time(text, "as_of")

    @property
    def figures(self) -> dict[str, Decimal]:
        """The account's figures that this row repeats."""
        found = ((name, self.optional_number(name)) for name in _FIGURES)
        return {name: value for name, value in found if value is not None}

    def position(self) -> BrokerPosition:
        return BrokerPosition(
            self.required("symbol"),
            self._quantity(),
            self.optional_number("avg_cost"),
            self.optional_number("market_value"),
            self._asset_type(),
            currency=self.text("currency"),
            multiplier=self.optional_number("multiplier"),
            identifiers={name: text for name in STRONG_IDENTIFIERS if (text := self.text(name)) is not None},
        )

    def cash_amount(self) -> Decimal:
        return self._style.parse(self.required(self._mapping.cash_column), self._mapping.cash_column)

    def text(self, name: str) -> str | None:
        """Return the cell, or the constant; None where nothing stands."""
        cell = self._cells.get(name, "")
        # "-" and "null" are nothing as a figure, but may well be somebody's name for something.
        is_empty = not cell if name in _NAMES else cell in self._mapping.layout.empty
        return self._mapping.constants.get(name) if is_empty else cell

    def required(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise InvalidInputError(f"{name} is empty")
        return text

    def optional_number(self, name: str) -> Decimal | None:
        text = self.text(name)
        return None if text is None else self._style.parse(text, name)

    def _quantity(self) -> Decimal:
        quantity = self._style.parse(self.required("quantity"), "quantity")
        side = self.text("side") if "side" in self._cells else None
        if side is None:
            if "side" in self._cells and quantity:
                raise InvalidInputError("side is empty")
            return quantity
        if side.lower() in self._mapping.short_words:
            return -abs(quantity)
        if side.lower() not in self._mapping.long_words:
            raise InvalidInputError(f"side {side!r} is neither long nor short: see [side] of the mapping")
        if quantity < 0:
            raise InvalidInputError(f"quantity {quantity} and side {side!r} contradict each other")
        return quantity

    def _asset_type(self) -> AssetType:
        word = self.text("asset_type")
        if word is None:
            return AssetType.STOCK
        known = self._mapping.asset_types.get(word.lower())
        if known is not None:
            return known
        try:
            return AssetType(word.lower())
        except ValueError:
            raise InvalidInputError(f"asset_type {word!r} is not known: see [asset_types] of the mapping") from None


@dataclass
class _Account:
    positions: list[BrokerPosition] = field(default_factory=list)
    figures: dict[str, Decimal] = field(default_factory=dict)
    cash: dict[str | None, Decimal] = field(default_factory=dict)


class CsvAccounts:
    """The accounts of a file, per date, as their rows come."""

    def __init__(self, mapping: CsvMapping) -> None:
        self._mapping = mapping
        self._accounts: dict[tuple[str, datetime | None], _Account] = {}

    def add(self, row: CsvRow) -> None:
        """Take one row.

        Raises:
            InvalidInputError: a cell that cannot be understood, or a figure that differs from the account's others.
        """
        if row.is_ignored:
            return
        account = self._accounts.setdefault((row.account_id, row.as_of), _Account())
        for name, value in row.figures.items():
            if account.figures.setdefault(name, value) != value:
                raise InvalidInputError(f"{name} is {value} here and {account.figures[name]} in an earlier row")
        if row.is_cash:
            currency = row.text("currency")
            account.cash[currency] = EXACT.add(account.cash.get(currency, Decimal(0)), row.cash_amount())
        elif not row.is_of_the_account_only:
            account.positions.append(row.position())

    def conclude(self, notes: tuple[str, ...]) -> Iterator[Statement]:
        """Yield a statement for each account and date.

        Raises:
            InvalidInputError: cash is told in two ways, or there is no row at all.
        """
        constant = self._mapping.constants.get("account")
        if not self._accounts:
            if constant is None or not self._mapping.layout.no_rows_mean_flat:
                raise InvalidInputError(
                    "there is no row under the header; if that says that the account is flat, "
                    "set constants.account and file.no_rows_mean_flat in the mapping"
                )
            self._accounts[constant, None] = _Account()
        for (account_id, as_of), account in self._accounts.items():
            yield Statement(
                account=_figures(account_id, as_of, account),
                positions=add_up_positions(account.positions),
                as_of=as_of,
                notes=notes,
            )


def _figures(account_id: str, as_of: datetime | None, account: _Account) -> BrokerAccount:
    figures = account.figures
    cash = figures.get("cash")
    if account.cash:
        if cash is not None:
            raise InvalidInputError(
                f"account {account_id}: cash stands in a column and in rows: keep one in the mapping"
            )
        # Sums over currencies are no figure of any of them.
        cash = next(iter(account.cash.values())) if len(account.cash) == 1 else None
    currencies = {currency for currency in account.cash if currency} or {
        row.currency for row in account.positions if row.currency
    }
    return BrokerAccount(
        account_id,
        cash,
        figures.get("buying_power"),
        figures.get("equity"),
        figures.get("margin_used"),
        currency=currencies.pop() if len(currencies) == 1 else None,
        cash_by_currency={currency: amount for currency, amount in account.cash.items() if currency},
        as_of=as_of,
    )
