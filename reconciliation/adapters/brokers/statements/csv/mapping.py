"""How to read a broker's CSV export: which column is what, and how numbers and dates are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from reconciliation.adapters.brokers.statements.csv.numbers import NumberStyle
from reconciliation.adapters.brokers.statements.values import date_and_time
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.values import aware_utc

#: Our names of what a column may hold, and the header of each when no mapping is given.
DEFAULT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "account": ("account_id",),
    "symbol": ("symbol",),
    "quantity": ("quantity",),
    "side": ("side",),
    "avg_cost": ("avg_cost",),
    "total_cost": ("total_cost",),
    "market_value": ("market_value",),
    "asset_type": ("asset_type",),
    "currency": ("currency",),
    "multiplier": ("multiplier",),
    "isin": ("isin",),
    "cusip": ("cusip",),
    "figi": ("figi",),
    "conid": ("conid",),
    "as_of": ("as_of",),
    "cash": ("cash",),
    "equity": ("equity",),
    "buying_power": ("buying_power",),
    "margin_used": ("margin_used",),
}
#: What must be known of each position.
NEEDED = ("account", "symbol", "quantity")
#: Figures of an account.
BALANCES = ("cash", "equity", "buying_power", "margin_used")

Pattern = re.Pattern[str]
#: Matches nothing.
NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """How the file is written."""

    #: One character, or "auto": the one of , ; | and tab that the header has most of.
    delimiter: str = "auto"
    encoding: str = "utf-8-sig"
    decimal: str = "."
    thousands: str = ""
    #: How thousands signs stand: "threes" or "indian" (12,34,567).
    grouping: str = "threes"
    #: Words that may stand before or behind a number.
    units: tuple[str, ...] = ()
    #: How dates are written, as strptime has it; besides 20250115 and 2025-01-15.
    date_formats: tuple[str, ...] = ()
    #: Whose clock dates and times are of.
    zone: str = "UTC"
    #: Lines before the header.
    skip_lines: int = 0
    #: Whether the header is the first line that has all columns, and again each later one.
    find_header: bool = False
    #: With `find_header`: more that the header has.
    header_has: tuple[str, ...] = ()
    #: With `find_header`: the line after which no row follows until the next header.
    table_ends_at: Pattern = NOTHING
    #: Lines in the table that are no rows: names of sections, subtotals.
    ignore_lines: Pattern = NOTHING
    #: Which sheet of a spreadsheet; the first if empty.
    sheet: str = ""
    #: What stands for "nothing" in a cell.
    empty: tuple[str, ...] = ("", "-", "--", "n/a", "N/A", "null")
    #: How the file's last line begins, where the broker writes such a line: without it the file is cut off.
    last_line_starts_with: str = ""
    #: Whether a file of nothing but its header says that the (constant) account is flat.
    no_rows_mean_flat: bool = False


@dataclass(frozen=True, kw_only=True)
class BalanceRows:
    """Rows that are no position, and our name of the column that holds their amount."""

    words: frozenset[str] = frozenset()
    pattern: Pattern = NOTHING
    column: str = "quantity"
    #: The column that the words and the pattern are about.
    found_in: str = "symbol"

    def holds(self, cells: Mapping[str, str]) -> bool:
        cell = cells.get(self.found_in, "")
        return cell in self.words or self.pattern.search(cell) is not None


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What numbers of some columns are multiplied by: pence, percent of par."""

    by: Decimal
    columns: frozenset[str]
    #: Only for these kinds of instrument; none is all.
    asset_types: frozenset[AssetType] = frozenset()
    #: Only for rows in these currencies; none is all.
    currencies: frozenset[str] = frozenset()
    #: The currency of the result; empty: as it was.
    currency: str = ""

    def applies_to(self, asset_type: AssetType, currency: str | None) -> bool:
        return (not self.asset_types or asset_type in self.asset_types) and (
            not self.currencies or currency in self.currencies
        )


@dataclass(frozen=True, kw_only=True)
class CsvMapping:
    """Everything that a mapping file may say; without one, headers are our own names."""

    #: Whose export it reads, as words; empty for a mapping of the user's own.
    title: str = ""
    layout: CsvLayout = CsvLayout()
    #: Our name to the file's headers, the first that is there; `#3` is the third column.
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DEFAULT_COLUMNS)
    #: The same for columns that may be missing.
    optional_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Our name to the value that every row has.
    constants: Mapping[str, str] = field(default_factory=dict)
    #: The file's account to the local one, where they differ.
    accounts: Mapping[str, str] = field(default_factory=dict)
    #: Our name to what finds it in a line outside of the rows; several of one name are parts of it.
    lines: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)
    #: Our name to what finds it in the file's name.
    file_name: Mapping[str, Pattern] = field(default_factory=dict)
    long_words: frozenset[str] = frozenset({"long", "l", "buy", "b"})
    short_words: frozenset[str] = frozenset({"short", "s", "sell"})
    #: The file's words, in lower case, for kinds of instrument.
    asset_types: Mapping[str, AssetType] = field(default_factory=dict)
    #: What symbols of a kind look like; goes before the words.
    asset_type_patterns: Mapping[AssetType, Pattern] = field(default_factory=dict)
    #: Units per contract where the file does not say.
    multipliers: Mapping[AssetType, Decimal] = field(default_factory=dict)
    #: What is replaced in a symbol, in this order.
    symbol_replacements: tuple[tuple[Pattern, str], ...] = ()
    #: Columns that name the instrument where the symbol is empty.
    symbol_fallback: tuple[str, ...] = ()
    cash_rows: BalanceRows = BalanceRows()
    equity_rows: BalanceRows = BalanceRows()
    factors: tuple[Factor, ...] = ()
    #: A column (our name, the file's header, or `#3`) to the values of rows that count.
    keep: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: The same for rows that don't.
    ignore: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Whether every column must be there: so for a mapping that an operator wrote, not for the default names.
    columns_are_required: bool = False

    @cached_property
    def numbers(self) -> NumberStyle:
        layout = self.layout
        return NumberStyle(
            decimal=layout.decimal, thousands=layout.thousands, grouping=layout.grouping, units=layout.units
        )

    @cached_property
    def other_columns(self) -> frozenset[str]:
        """The columns that are used and have none of our names."""
        named = {*self.keep, *self.ignore, *self.symbol_fallback}
        named |= {rows.found_in for rows in (self.cash_rows, self.equity_rows)}
        return frozenset(named - self.columns.keys() - self.optional_columns.keys() - DEFAULT_COLUMNS.keys())

    @property
    def names_an_account(self) -> bool:
        sources: tuple[Mapping[str, object], ...] = (self.columns, self.constants, self.lines, self.file_name)
        return any("account" in source for source in sources)

    def moment(self, text: str, what: str) -> datetime:
        """Return the moment that a text of the file names, as UTC.

        Raises:
            InvalidInputError: it is not written in a way that the mapping names.
        """
        zone = ZoneInfo(self.layout.zone)
        for date_format in self.layout.date_formats:
            try:
                return aware_utc(datetime.strptime(text.strip(), date_format).replace(tzinfo=zone))
            except ValueError:
                continue
        moment = date_and_time(text, what)
        return aware_utc(moment.replace(tzinfo=zone)) if self.layout.zone != "UTC" else moment
