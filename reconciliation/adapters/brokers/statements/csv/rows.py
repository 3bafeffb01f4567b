"""The rows of a CSV export, gathered to accounts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal

from reconciliation.adapters.brokers.statements.csv.mapping import BALANCES, CsvMapping
from reconciliation.adapters.brokers.statements.csv.tables import LineValue, TableRow
from reconciliation.adapters.brokers.statements.statement import Statement, add_up_positions
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import EXACT
from reconciliation.errors import InvalidInputError

_NAMES = ("account", "symbol")
#: Digits of a cost per unit that does not come out even: those of IEEE 754 decimal128.
_PER_UNIT = Context(prec=34)


class CsvRow:
    """One row by our column names; each property raises InvalidInputError naming the column."""

    def __init__(self, cells: Mapping[str, str], mapping: CsvMapping) -> None:
        self._cells = cells
        self._mapping = mapping

    @property
    def is_cash(self) -> bool:
        return self._mapping.cash_rows.holds(self._cells)

    @property
    def is_equity(self) -> bool:
        return self._mapping.equity_rows.holds(self._cells)

    @property
    def is_of_the_account_only(self) -> bool:
        """Whether the row has balances of the account and none of a position."""
        return bool(self.balances) and self.text("symbol") is None and self.text("quantity") is None

    @property
    def account_id(self) -> str | None:
        return self.text("account")

    @property
    def as_of(self) -> datetime | None:
        text = self.text("as_of")
        return None if text is None else self._mapping.moment(text, "as_of")

    @property
    def balances(self) -> dict[str, Decimal]:
        """The account's balances that this row repeats."""
        if self.is_equity:
            column = self._mapping.equity_rows.column
            return {"equity": self._mapping.numbers.parse(self.required(column), column)}
        found = ((name, self.optional_number(name)) for name in BALANCES)
        return {name: value for name, value in found if value is not None}

    def position(self) -> BrokerPosition:
        symbol, currency = self._symbol(), self.text("currency")
        kind = self._asset_type()
        numbers: dict[str, Decimal | None] = {
            "quantity": self._quantity(),
            "avg_cost": self.optional_number("avg_cost"),
            "total_cost": self.optional_number("total_cost"),
            "market_value": self.optional_number("market_value"),
        }
        for factor in self._mapping.factors:
            if factor.applies_to(kind, currency):
                numbers |= {name: _times(numbers[name], factor.by) for name in factor.columns}
                currency = factor.currency or currency
        multiplier = self.optional_number("multiplier") or self._mapping.multipliers.get(kind)
        quantity = numbers["quantity"] or Decimal(0)
        if numbers["avg_cost"] is None:
            numbers["avg_cost"] = _per_unit(numbers["total_cost"], quantity, multiplier)
        return BrokerPosition(
            symbol,
            quantity,
            numbers["avg_cost"],
            numbers["market_value"],
            kind,
            currency=currency,
            multiplier=multiplier,
            identifiers={name: text for name in STRONG_IDENTIFIERS if (text := self.text(name)) is not None},
        )

    def cash_amount(self) -> Decimal:
        column = self._mapping.cash_rows.column
        return self._mapping.numbers.parse(self.required(column), column)

    def text(self, name: str) -> str | None:
        """Return the cell, or the constant; None where nothing stands."""
        cell = self._cells.get(name, "")
        # "-" and "null" mean no number, but either may be a name.
        is_empty = not cell if name in _NAMES else not cell or cell in self._mapping.layout.empty
        return self._mapping.constants.get(name) if is_empty else cell

    def required(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise InvalidInputError(f"{name} is empty")
        return text

    def optional_number(self, name: str) -> Decimal | None:
        text = self.text(name)
        return None if text is None else self._mapping.numbers.parse(text, name)

    def _symbol(self) -> str:
        symbol = self.text("symbol")
        if symbol is None:
            symbol = next((text for name in self._mapping.symbol_fallback if (text := self.text(name))), None)
        for pattern, replacement in self._mapping.symbol_replacements:
            symbol = symbol and pattern.sub(replacement, symbol)
        if not symbol:
            raise InvalidInputError("symbol is empty")
        return symbol

    def _quantity(self) -> Decimal:
        quantity = self._mapping.numbers.parse(self.required("quantity"), "quantity")
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
        name = self._cells.get("symbol", "")
        for kind, pattern in self._mapping.asset_type_patterns.items():
            if pattern.search(name):
                return kind
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


def _times(number: Decimal | None, factor: Decimal) -> Decimal | None:
    return None if number is None else EXACT.multiply(number, factor)


def _per_unit(total: Decimal | None, quantity: Decimal, multiplier: Decimal | None) -> Decimal | None:
    """Return the cost per unit of a total; brokers print that of a short position with either sign."""
    if total is None or not quantity:
        return None
    units = EXACT.multiply(abs(quantity), multiplier or Decimal(1))
    return _PER_UNIT.divide(abs(total) if quantity < 0 else total, units)


@dataclass
class _Account:
    positions: list[BrokerPosition] = field(default_factory=list)
    balances: dict[str, Decimal] = field(default_factory=dict)
    cash: dict[str | None, Decimal] = field(default_factory=dict)

    def note(self, name: str, value: Decimal) -> None:
        if self.balances.setdefault(name, value) != value:
            raise InvalidInputError(f"{name} is {value} here and {self.balances[name]} in an earlier row")

    def add_cash(self, currency: str | None, amount: Decimal) -> None:
        self.cash[currency] = EXACT.add(self.cash.get(currency, Decimal(0)), amount)


class CsvAccounts:
    """The accounts of a file, per date, as their rows come.

    Args:
        mapping: how the file is read.
        known: what is known of the file beforehand: `account` and `as_of` out of its name or the options.
    """

    def __init__(self, mapping: CsvMapping, known: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._known = {**known, **mapping.constants}
        self._accounts: dict[tuple[str, datetime | None], _Account] = {}
        #: Parts of the account's name, out of lines; a part that is known already begins a new account.
        self._name_parts: dict[int, str] = {}
        #: The oldest of the moments that lines name: data never count as newer than they certainly are.
        self._moment: datetime | None = None
        #: Balances of lines that stand before their account's name.
        self._waiting: list[LineValue] = []

    def add(self, found: TableRow | LineValue) -> None:
        """Take one row, or one value of a line.

        Raises:
            InvalidInputError: a cell that cannot be understood, or a balance that differs from the account's others.
        """
        if isinstance(found, LineValue):
            self._add_value(found)
        else:
            self._add_row(CsvRow(found.cells, self._mapping))

    def _add_row(self, row: CsvRow) -> None:
        account = self._account(row.account_id or self._current(), row.as_of)
        for name, value in row.balances.items():
            account.note(name, value)
        if row.is_equity:
            return
        if row.is_cash:
            account.add_cash(row.text("currency"), row.cash_amount())
        elif not row.is_of_the_account_only:
            account.positions.append(row.position())

    def _add_value(self, found: LineValue) -> None:
        if found.name == "account":
            parts = {} if found.part in self._name_parts else self._name_parts
            self._name_parts = {**parts, found.part: found.value}
        elif found.name == "as_of":
            moment = self._mapping.moment(found.value, "as_of")
            self._moment = min(moment, self._moment or moment)
        else:
            self._waiting.append(found)
        if self._current() is not None:
            self._settle_values(self._account(self._current(), None))

    def _settle_values(self, account: _Account) -> None:
        for found in self._waiting:
            amount = self._mapping.numbers.parse(found.value, found.name)
            if found.name == "cash" and found.currency:
                account.add_cash(found.currency, amount)
            else:
                account.note(found.name, amount)
        self._waiting.clear()

    def _current(self) -> str | None:
        """Return the account of the table that is being read, as far as it is known."""
        if len(self._name_parts) == len(self._mapping.lines.get("account", ())) > 0:
            return " ".join(self._name_parts[part] for part in sorted(self._name_parts))
        return self._known.get("account")

    def _account(self, name: str | None, as_of: datetime | None) -> _Account:
        if name is None:
            raise InvalidInputError(
                "account is empty"
                if self._mapping.names_an_account
                else "the file does not name its account: set default_account, or constants.account of a mapping"
            )
        return self._accounts.setdefault((self._mapping.accounts.get(name, name), as_of), _Account())

    def conclude(self, notes: tuple[str, ...]) -> Iterator[Statement]:
        """Yield a statement for each account and date.

        Raises:
            InvalidInputError: cash stands in two places, or there is no row at all.
        """
        if self._waiting:
            if len(self._accounts) != 1:
                raise InvalidInputError(f"{self._waiting[0].name}: no line says whose it is")
            self._settle_values(*self._accounts.values())
        constant = self._known.get("account")
        if not self._accounts:
            if constant is None or not self._mapping.layout.no_rows_mean_flat:
                raise InvalidInputError(
                    "there is no row under the header; if that says that the account is flat, "
                    "set constants.account and file.no_rows_mean_flat in the mapping"
                )
            self._accounts[self._mapping.accounts.get(constant, constant), None] = _Account()
        known = self._known.get("as_of")
        file_moment = self._moment or (self._mapping.moment(known, "as_of") if known else None)
        for (account_id, as_of), account in self._accounts.items():
            moment = as_of or file_moment
            yield Statement(
                account=_balances(account_id, moment, account, self._mapping.constants.get("currency")),
                positions=add_up_positions(account.positions),
                as_of=moment,
                notes=notes,
            )


def _balances(account_id: str, as_of: datetime | None, account: _Account, currency: str | None) -> BrokerAccount:
    balances = account.balances
    cash = balances.get("cash")
    if account.cash:
        if cash is not None:
            raise InvalidInputError(
                f"account {account_id}: cash stands in a column and in rows: keep one in the mapping"
            )
        # A sum over currencies is an amount of none of them.
        cash = next(iter(account.cash.values())) if len(account.cash) == 1 else None
    names = (
        {name for name in account.cash if name}
        or {row.currency for row in account.positions if row.currency}
        or ({currency} if currency else set())
    )
    return BrokerAccount(
        account_id,
        cash,
        balances.get("buying_power"),
        balances.get("equity"),
        balances.get("margin_used"),
        currency=names.pop() if len(names) == 1 else None,
        cash_by_currency={name: amount for name, amount in account.cash.items() if name},
        as_of=as_of,
    )
