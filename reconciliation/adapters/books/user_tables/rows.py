"""One row of the users' own tables, as a position or as balances: every value converted here, in Python.

Drivers give text, doubles, Decimals or JSON; a database that converted them first might round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reconciliation.adapters.books.balances import BalanceRow
from reconciliation.adapters.books.sides import signed
from reconciliation.adapters.books.user_tables.database import exact_json
from reconciliation.adapters.books.user_tables.options import Source
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow
from reconciliation.domain.model.values import EXACT, exact_decimal
from reconciliation.errors import InvalidInputError

#: A complaint shows a value, not a page.
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class UserRow:
    """The values of one row under our names, constants included."""

    source: Source
    values: Mapping[str, Any]

    @classmethod
    def of(cls, source: Source, names: Sequence[str], row: Sequence[Any]) -> "UserRow":
        return cls(source, {**source.constants, **dict(zip(names, row, strict=True))})

    def position(self) -> BookRow:
        """Return the row as a position; for a fill, `avg_cost` is its price.

        Raises:
            InvalidInputError: a value cannot be what its column says; the message names the column.
        """
        symbol = self.text("symbol")
        quantity = self.number("quantity")
        if quantity is None:
            raise self.fault("quantity", "is NULL, which is not zero: it must be a number")
        return BookRow(
            symbol,
            self._signed(quantity),
            self.number("price" if self.source.fills else "avg_cost"),
            self._asset_type(),
            self.optional_text("currency"),
            self.number("multiplier"),
            {name: value for name in STRONG_IDENTIFIERS if (value := self.optional_text(name))},
        )

    def balances(self) -> BalanceRow:
        """Return the row as cash and equity.

        Raises:
            InvalidInputError: a value cannot be what its column says; the message names the column.
        """
        return BalanceRow(
            cash=self.number("cash"),
            equity=self.number("equity"),
            currency=self.optional_text("currency"),
            place="balances",
        )

    def text(self, name: str) -> str:
        text = self.optional_text(name)
        if text is None:
            raise self.fault(name, "is empty")
        return text

    def optional_text(self, name: str) -> str | None:
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, (bytes, dict, list, bool, float)):
            raise self.fault(name, f"{_shown(value)} is not a text but a {type(value).__name__}")
        return str(value).strip() or None

    def number(self, name: str) -> Decimal | None:
        value = self._value(name)
        if value is None:
            return None
        try:
            number = exact_decimal(value, "it")
        except InvalidInputError as error:
            raise self.fault(name, _shown(str(error).removeprefix("it: "), quoted=False)) from None
        scale = self.source.scale.get(name)
        return number if scale is None else EXACT.multiply(number, scale)

    def fault(self, name: str, why: str) -> InvalidInputError:
        broker = self.column(name)
        column = f"column {name!r}" if broker == name else f"column {broker!r} ({name})"
        return InvalidInputError(f"{column}: {why}")

    def column(self, name: str) -> str:
        """Return what our `name` is called in the source."""
        return self.source.columns.get(name, name)

    def _value(self, name: str) -> Any:
        """Return the value; where a column holds JSON, as text or as the driver read it, the one within."""
        value, path = self.values.get(name), self.source.json_path(name)
        if path and isinstance(value, (str, bytes)):
            try:
                value = exact_json(value)
            except ValueError:
                raise self.fault(name, f"{_shown(value)} is not JSON") from None
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _signed(self, quantity: Decimal) -> Decimal:
        if "side" not in self.values:
            return quantity
        if quantity < 0:
            raise self.fault("quantity", f"{quantity} has a sign, and so has the side column: one of them is wrong")
        side = self.text("side").casefold()
        found = signed(quantity, side, self.source.long, self.source.short)
        if found is not None:
            return found
        known = ", ".join((*self.source.long, *self.source.short))
        raise self.fault("side", f"{_shown(side)} is none of the words for long and short: {known}")

    def _asset_type(self) -> AssetType:
        word = self.text("asset_type")
        if word in self.source.asset_types:
            return self.source.asset_types[word]
        try:
            return AssetType(word.lower())
        except ValueError:
            known = ", ".join(AssetType)
            raise self.fault(
                "asset_type", f"{_shown(word)} is not one of {known}; say in `asset_types` what it means"
            ) from None


def _shown(value: Any, *, quoted: bool = True) -> str:
    text = repr(value) if quoted else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS * 2 else text[:_SHOWN_CHARACTERS] + "..."
