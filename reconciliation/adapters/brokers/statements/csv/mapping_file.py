"""A mapping as it is written: a TOML file or an object, checked word by word; or the name of one that ships with us."""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reconciliation.adapters.brokers.statements.csv.mapping import (
    BALANCES,
    DEFAULT_COLUMNS,
    NOTHING,
    BalanceRows,
    CsvLayout,
    CsvMapping,
    Factor,
    Pattern,
)
from reconciliation.adapters.brokers.statements.csv.numbers import GROUPINGS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import ConfigurationError, InvalidInputError

_CONSTANTS = ("account", "asset_type", "currency", "as_of")
_IN_LINES = ("account", "as_of", *BALANCES)
_IN_FILE_NAME = ("account", "as_of")
_FACTOR = ("by", "columns", "asset_types", "currencies", "currency")
_SCALED = frozenset({"quantity", "avg_cost", "total_cost", "market_value"})
_TABLES = (
    "title",
    "extends",
    "file",
    "columns",
    "optional_columns",
    "constants",
    "accounts",
    "lines",
    "file_name",
    "side",
    "asset_types",
    "asset_type_patterns",
    "multipliers",
    "symbol",
    "cash",
    "equity",
    "factors",
    "keep",
    "ignore",
)
#: How deep mappings may extend one another.
_MAX_EXTENDED = 4


def shipped_names() -> tuple[str, ...]:
    """Return the names of the mappings that ship with the package."""
    folder = files(__package__) / "exports"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_mapping(name: str | Path) -> CsvMapping:
    """Return a mapping by the name of one that ships with the package, or by the path of a TOML file.

    Raises:
        ConfigurationError: there is no such mapping, the file cannot be read, or it holds what no mapping can.
    """
    return mapping_from_table(*_load_table(name))


def mapping_from_table(table: Mapping[str, Any], where: str = "mapping") -> CsvMapping:
    """Return the mapping in a parsed table; see `load_mapping`."""
    reader = _Reader(_extended(table, where), where)
    cash, equity = reader.special_rows("cash", "quantity"), reader.special_rows("equity", "market_value")
    side = reader.table("side", ("long", "short"))
    symbol = reader.table("symbol", ("replace", "fallback"))
    columns = reader.columns("columns") or DEFAULT_COLUMNS
    mapping = CsvMapping(
        title=reader.text("title"),
        layout=_layout(reader),
        columns=columns,
        optional_columns=reader.columns("optional_columns"),
        constants=reader.texts("constants", _CONSTANTS),
        accounts=reader.texts("accounts", None),
        lines={name: tuple(map(reader.finder, found)) for name, found in reader.lists("lines", _IN_LINES).items()},
        file_name={name: reader.finder(text) for name, text in reader.texts("file_name", _IN_FILE_NAME).items()},
        asset_types={word.lower(): reader.asset_type(word, kind) for word, kind in reader.table("asset_types").items()},
        asset_type_patterns={
            reader.asset_type(f"asset_type_patterns.{kind}", kind): reader.pattern(text)
            for kind, text in reader.texts("asset_type_patterns", None).items()
        },
        multipliers={
            reader.asset_type(f"multipliers.{kind}", kind): reader.number(f"multipliers.{kind}", value)
            for kind, value in reader.table("multipliers").items()
        },
        symbol_replacements=tuple(reader.replacements(symbol.get("replace", []))),
        symbol_fallback=tuple(reader.words("symbol.fallback", symbol.get("fallback", []))),
        cash_rows=cash,
        equity_rows=equity,
        factors=tuple(map(reader.factor, reader.tables("factors"))),
        keep=reader.word_sets("keep"),
        ignore=reader.word_sets("ignore"),
        columns_are_required="columns" in reader.whole,
        **{f"{name}_words": frozenset(map(str.lower, reader.words(f"side.{name}", side[name]))) for name in side},
    )
    mapped = {*columns, *mapping.optional_columns}
    for name, rows in (("cash", cash), ("equity", equity)):
        if name in reader.whole and rows.column not in mapped:
            raise reader.wrong(f"{name}.column", f"one of the mapped columns: {', '.join(mapped)}")
    return mapping


def _load_table(name: str | Path) -> tuple[Mapping[str, Any], str]:
    where = f"mapping {name}"
    is_file = isinstance(name, Path) or Path(name).suffix or os.sep in name
    if not is_file and str(name) not in shipped_names():
        raise ConfigurationError(f"{where}: is neither a file nor a mapping that ships: {', '.join(shipped_names())}")
    source = Path(name).expanduser() if is_file else files(__package__) / "exports" / f"{name}.toml"
    try:
        return tomllib.loads(source.read_text(encoding="utf-8")), where
    except OSError as error:
        raise ConfigurationError(f"{where}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where}: not TOML: {error}") from None


def _extended(table: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return the table over the one that it extends: what it says itself, table by table, wins."""
    for _ in range(_MAX_EXTENDED):
        base_name = table.get("extends")
        if base_name is None:
            return table
        if not isinstance(base_name, str):
            raise ConfigurationError(f"{where}: extends must be a text")
        base, _ = _load_table(base_name)
        own = {name: value for name, value in table.items() if name != "extends"}
        merged = {
            name: {**base[name], **value}
            if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
            else value
            for name, value in own.items()
        }
        table = {**base, **merged}
    raise ConfigurationError(f"{where}: extends more than {_MAX_EXTENDED} mappings: is it a circle?")


class _Reader:
    """Reads tables of a mapping, refusing what it does not know."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.whole = table
        self._where = where
        self._check_names(table, _TABLES, "")

    def text(self, name: str) -> str:
        value = self.whole.get(name, "")
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def table(self, name: str, known: Iterable[str] | None = None) -> Mapping[str, Any]:
        """Return a table; with `known`, none of its names may be another."""
        value = self.whole.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a table")
        if known is not None:
            self._check_names(value, tuple(known), f"[{name}] ")
        return value

    def tables(self, name: str) -> list[Mapping[str, Any]]:
        value = self.whole.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            raise self.wrong(name, "a list of tables: [[factors]]")
        return value

    def texts(self, name: str, known: Iterable[str] | None) -> Mapping[str, str]:
        table = self.table(name, known)
        for key, value in table.items():
            if not isinstance(value, str) or not value:
                raise self.wrong(f"{name}.{key}", "a text")
        return table

    def lists(self, name: str, known: Iterable[str] | None) -> dict[str, tuple[str, ...]]:
        found = {key: tuple(self.words(f"{name}.{key}", value)) for key, value in self.table(name, known).items()}
        for key, words in found.items():
            if not words or not all(words):
                raise self.wrong(f"{name}.{key}", "a text, or a list of texts")
        return found

    def columns(self, name: str) -> dict[str, tuple[str, ...]]:
        return self.lists(name, DEFAULT_COLUMNS)

    def word_sets(self, name: str) -> dict[str, frozenset[str]]:
        return {key: frozenset(self.words(f"{name}.{key}", value)) for key, value in self.table(name).items()}

    def words(self, name: str, value: object) -> list[str]:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.wrong(name, "a text, or a list of texts")
        return words

    def pattern(self, text: str) -> Pattern:
        try:
            return re.compile(text)
        except re.error as error:
            raise self.wrong(f"{text!r}", f"a regular expression ({error})") from None

    def finder(self, text: str) -> Pattern:
        """Return a pattern whose group is what it finds."""
        pattern = self.pattern(text)
        if not pattern.groups:
            raise self.wrong(f"{text!r}", "a regular expression with a group: what is found")
        return pattern

    def replacements(self, value: object) -> Iterable[tuple[Pattern, str]]:
        pairs = value if isinstance(value, list) else [value]
        for pair in pairs:
            words = self.words("symbol.replace", pair)
            if len(words) != 2:  # noqa: PLR2004 - a pair
                raise self.wrong("symbol.replace", "a list of pairs: what is replaced, and what by")
            pattern = self.pattern(words[0])
            try:
                pattern.sub(words[1], "")
            except (re.error, IndexError) as error:
                raise self.wrong("symbol.replace", f"a replacement that fits its pattern ({error})") from None
            yield pattern, words[1]

    def special_rows(self, name: str, column: str) -> BalanceRows:
        table = self.table(name, ("symbols", "pattern", "column", "found_in"))
        for key in ("pattern", "column", "found_in"):
            if not isinstance(table.get(key, ""), str):
                raise self.wrong(f"{name}.{key}", "a text")
        return BalanceRows(
            words=frozenset(self.words(f"{name}.symbols", table.get("symbols", []))),
            pattern=self.pattern(table["pattern"]) if "pattern" in table else NOTHING,
            column=table.get("column", column),
            found_in=table.get("found_in", "symbol"),
        )

    def factor(self, table: Mapping[str, Any]) -> Factor:
        self._check_names(table, _FACTOR, "[[factors]] ")
        columns = frozenset(self.words("factors.columns", table.get("columns", [])))
        if not columns or not columns <= _SCALED:
            raise self.wrong("factors.columns", f"some of: {', '.join(sorted(_SCALED))}")
        kinds = self.words("factors.asset_types", table.get("asset_types", []))
        currency = table.get("currency", "")
        if not isinstance(currency, str):
            raise self.wrong("factors.currency", "a text")
        return Factor(
            by=self.number("factors.by", table.get("by")),
            columns=columns,
            asset_types=frozenset(self.asset_type("factors.asset_types", kind) for kind in kinds),
            currencies=frozenset(self.words("factors.currencies", table.get("currencies", []))),
            currency=currency,
        )

    def number(self, name: str, value: object) -> Decimal:
        try:
            number = exact_decimal(value, name) if isinstance(value, (str, int)) else None
        except InvalidInputError:
            number = None
        if number is None or number <= 0:
            raise self.wrong(name, "a number above 0; one with a point as a text: '0.01'")
        return number

    def asset_type(self, word: str, name: object) -> AssetType:
        try:
            return AssetType(name)
        except ValueError:
            known = ", ".join(kind.value for kind in AssetType)
            raise self.wrong(word if "." in word else f"asset_types.{word}", f"one of: {known}") from None

    def wrong(self, name: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where}: {name} must be {expected}")

    def _check_names(self, table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise ConfigurationError(
                f"{self._where}: {place}unknown {', '.join(map(repr, unknown))}; known are: {', '.join(known)}"
            )


def _layout(reader: _Reader) -> CsvLayout:
    defaults = CsvLayout()
    options = dict(reader.table("file", tuple(field.name for field in fields(defaults))))
    for name, value in options.items():
        default = getattr(defaults, name)
        if isinstance(default, tuple):
            options[name] = tuple(reader.words(f"file.{name}", value))
            continue
        expected = str if isinstance(default, re.Pattern) else type(default)
        if type(value) is not expected:
            raise reader.wrong(f"file.{name}", f"a {expected.__name__}, not {type(value).__name__}")
        if isinstance(default, re.Pattern):
            options[name] = reader.pattern(value)
    layout = CsvLayout(**options)
    _check_layout(reader, layout)
    return layout


def _check_layout(reader: _Reader, layout: CsvLayout) -> None:
    checks = (
        ("delimiter", layout.delimiter == "auto" or len(layout.delimiter) == 1, "one character or 'auto'"),
        ("skip_lines", layout.skip_lines >= 0, "0 or more"),
        (
            "decimal",
            len(layout.decimal) == 1 and layout.decimal != layout.thousands,
            "one character, and not the thousands sign",
        ),
        ("thousands", len(layout.thousands) <= 1, "one character, or empty"),
        ("grouping", layout.grouping in GROUPINGS, f"one of: {', '.join(GROUPINGS)}"),
        (
            "find_header",
            layout.find_header or not (layout.header_has or layout.table_ends_at is not NOTHING),
            "true where header_has or table_ends_at is given",
        ),
    )
    for name, holds, expected in checks:
        if not holds:
            raise reader.wrong(f"file.{name}", expected)
    try:
        "x".encode(layout.encoding)
    except LookupError:
        raise reader.wrong("file.encoding", "a known encoding, such as utf-8 or cp1252") from None
    try:
        ZoneInfo(layout.zone)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise reader.wrong("file.zone", "a known time zone, such as Europe/London") from None
