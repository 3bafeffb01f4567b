"""How to read somebody's CSV export: which column is what, and how numbers are written. A TOML file or an object."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from reconciliation.domain.model.models import AssetType
from reconciliation.errors import ConfigurationError

#: Our names of what a column may hold, and the header of each when no mapping is given.
DEFAULT_COLUMNS: Mapping[str, str] = {
    "account": "account_id",
    "symbol": "symbol",
    "quantity": "quantity",
    "side": "side",
    "avg_cost": "avg_cost",
    "market_value": "market_value",
    "asset_type": "asset_type",
    "currency": "currency",
    "multiplier": "multiplier",
    "isin": "isin",
    "cusip": "cusip",
    "figi": "figi",
    "conid": "conid",
    "as_of": "as_of",
    "cash": "cash",
    "equity": "equity",
    "buying_power": "buying_power",
    "margin_used": "margin_used",
}
_CONSTANTS = ("account", "asset_type", "currency", "as_of")
_TABLES = ("file", "columns", "constants", "side", "asset_types", "cash", "ignore")


@dataclass(frozen=True, kw_only=True)
class CsvLayout:
    """How the file is written."""

    #: One character, or "auto": the one of , ; | and tab that the header has most of.
    delimiter: str = "auto"
    encoding: str = "utf-8-sig"
    decimal: str = "."
    thousands: str = ""
    #: Lines before the header.
    skip_lines: int = 0
    #: What stands for "nothing" in a cell.
    empty: tuple[str, ...] = ("", "-", "--", "n/a", "N/A", "null")
    #: How the file's last line begins, where the broker writes such a line: without it the file is cut off.
    last_line_starts_with: str = ""
    #: Whether a file of nothing but its header says that the (constant) account is flat.
    no_rows_mean_flat: bool = False


@dataclass(frozen=True, kw_only=True)
class CsvMapping:
    """Everything that a mapping file may say; without one, headers are our own names."""

    layout: CsvLayout = CsvLayout()
    #: Our name to the file's header.
    columns: Mapping[str, str] = field(default_factory=lambda: DEFAULT_COLUMNS)
    #: Our name to the value that every row has.
    constants: Mapping[str, str] = field(default_factory=dict)
    long_words: frozenset[str] = frozenset({"long", "l", "buy", "b"})
    short_words: frozenset[str] = frozenset({"short", "s", "sell"})
    #: The file's words, in lower case, for kinds of instrument.
    asset_types: Mapping[str, AssetType] = field(default_factory=dict)
    #: Symbols of rows that are cash, and our name of the column with the amount.
    cash_symbols: frozenset[str] = frozenset()
    cash_column: str = "quantity"
    #: Our name of a column to the values that mark a row as none (totals, footers).
    ignore: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Whether every column must be there: so for a mapping that somebody wrote, not for the default names.
    columns_are_required: bool = False

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the mapping in a TOML file.

        Raises:
            ConfigurationError: the file cannot be read, or holds what no mapping can.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"mapping {path}: cannot be read: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"mapping {path}: not TOML: {error}") from None
        return cls.from_table(table, f"mapping {path}")

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "mapping") -> Self:
        """Return the mapping in a parsed table; see `load`."""
        reader = _Reader(table, where)
        columns = reader.texts("columns", DEFAULT_COLUMNS) or DEFAULT_COLUMNS
        cash = reader.table("cash", ("symbols", "column"))
        side = reader.table("side", ("long", "short"))
        mapping = cls(
            layout=_layout(reader),
            columns=columns,
            constants=reader.texts("constants", _CONSTANTS),
            asset_types=_asset_types(reader),
            cash_symbols=reader.words(cash, "cash.symbols") if cash else frozenset(),
            cash_column=str(cash.get("column", "quantity")),
            ignore={name: reader.words({name: values}, f"ignore.{name}") for name, values in reader.ignored().items()},
            columns_are_required="columns" in table,
            **{
                f"{name}_words": frozenset(word.lower() for word in reader.words(side, f"side.{name}")) for name in side
            },
        )
        if mapping.cash_column not in mapping.columns:
            raise reader.wrong("cash.column", f"one of the mapped columns: {', '.join(mapping.columns)}")
        return mapping


class _Reader:
    """Reads tables of a mapping, refusing what it does not know."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self._table = table
        self._where = where
        self._check_names(table, _TABLES, "")

    def table(self, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> Mapping[str, Any]:
        value = self._table.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a table")
        self._check_names(value, known, f"[{name}] ")
        return value

    def texts(self, name: str, known: Mapping[str, Any] | tuple[str, ...]) -> Mapping[str, str]:
        table = self.table(name, known)
        for key, value in table.items():
            if not isinstance(value, str) or not value:
                raise self.wrong(f"{name}.{key}", "a text")
        return table

    def words(self, table: Mapping[str, Any], name: str) -> frozenset[str]:
        value = table.get(name.rpartition(".")[2], [])
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.wrong(name, "a list of texts")
        return frozenset(words)

    def ignored(self) -> Mapping[str, Any]:
        return self.table("ignore", DEFAULT_COLUMNS)

    def free_table(self, name: str) -> Mapping[str, Any]:
        value = self._table.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a table")
        return value

    def wrong(self, name: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where}: {name} must be {expected}")

    def _check_names(self, table: Mapping[str, Any], known: Mapping[str, Any] | tuple[str, ...], place: str) -> None:
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ConfigurationError(
                f"{self._where}: {place}unknown {', '.join(map(repr, unknown))}; known are: {', '.join(known)}"
            )


def _layout(reader: _Reader) -> CsvLayout:
    defaults = CsvLayout()
    options = dict(reader.table("file", tuple(vars(defaults))))
    for name, value in options.items():
        expected = type(getattr(defaults, name))
        if name == "empty":
            options[name] = tuple(sorted(reader.words(options, "file.empty")))
        elif type(value) is not expected:
            raise reader.wrong(f"file.{name}", f"a {expected.__name__}, not {type(value).__name__}")
    layout = CsvLayout(**options)
    if layout.delimiter != "auto" and len(layout.delimiter) != 1:
        raise reader.wrong("file.delimiter", "one character or 'auto'")
    if layout.skip_lines < 0:
        raise reader.wrong("file.skip_lines", "0 or more")
    if len(layout.decimal) != 1 or layout.decimal == layout.thousands:
        raise reader.wrong("file.decimal", "one character, and not the thousands sign")
    try:
        "x".encode(layout.encoding)
    except LookupError:
        raise reader.wrong("file.encoding", "a known encoding, such as utf-8 or cp1252") from None
    return layout


def _asset_types(reader: _Reader) -> Mapping[str, AssetType]:
    found = {}
    for word, name in reader.free_table("asset_types").items():
        try:
            found[word.lower()] = AssetType(name)
        except ValueError:
            known = ", ".join(kind.value for kind in AssetType)
            raise reader.wrong(f"asset_types.{word}", f"one of: {known}") from None
    return found
