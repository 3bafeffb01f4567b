"""The tables in a CSV file: where they begin and end, their rows, and what the lines around them say.

An export is seldom a plain table: lines above name the account and the date, each account is a section with a header
of its own, totals, footers and other tables follow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from reconciliation.adapters.brokers.statements.csv.lines import Lines
from reconciliation.adapters.brokers.statements.csv.mapping import DEFAULT_COLUMNS, NEEDED, NOTHING, CsvMapping
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.errors import BadData


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row of a table: its cells by our name of the column, or by the name that the mapping calls it by."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LineValue:
    """What a line outside of the rows says of the account, or of the file."""

    line: int
    name: str
    value: str
    #: Which part of the name's value it is, where several lines make it up.
    part: int
    currency: str | None = None


class Tables:
    """The rows of all tables in a file, and the values between them, in the order of the file."""

    def __init__(self, source: StatementSource, mapping: CsvMapping, lines: Lines) -> None:
        self._source = source
        self._mapping = mapping
        self._layout = mapping.layout
        self._lines = lines
        self._places: Mapping[str, int] | None = None
        #: How many cells a row must have, and may have filled.
        self._width, self._most = 0, 0
        self._has_header = False
        self._has_patterns = bool(mapping.lines or self._layout.find_header or self._layout.ignore_lines is not NOTHING)

    def __iter__(self) -> Iterator[TableRow | LineValue]:
        for line, raw in self._lines:
            cells = [cell.strip() for cell in raw]
            text = self._text(cells)
            values = list(self._values(line, text))
            yield from values
            if values:
                continue
            if self._layout.find_header:
                yield from self._in_found_table(line, cells, text)
            elif not self._has_header:
                self._begin(line, cells)
            elif any(cells) and not self._lines.is_footer(cells):
                yield from self._row(line, cells, text)
        self._check_end()

    def _in_found_table(self, line: int, cells: list[str], text: str) -> Iterator[TableRow]:
        if is_header(self._mapping, cells):
            self._begin(line, cells)
        elif self._places is not None and self._layout.table_ends_at.search(text):
            row = self._taken(line, cells)
            if row is not None and self._mapping.equity_rows.holds(row.cells):
                yield row
            self._places = None
        elif self._places is not None and any(cells):
            yield from self._row(line, cells, text)

    def _begin(self, line: int, cells: list[str]) -> None:
        if not any(cells):
            raise self._source.bad("there is no header: see file.skip_lines of the mapping", line)
        self._places = self._columns(cells, line)
        self._has_header = True
        named = [index + 1 for index, name in enumerate(cells) if name]
        self._width = max([*named, *(place + 1 for place in self._places.values())])
        self._most = max(self._width, len(cells))

    def _row(self, line: int, cells: list[str], text: str) -> Iterator[TableRow]:
        """Yield the row if it is one; its width is checked last, because footers and totals have other widths."""
        if self._layout.ignore_lines.search(text):
            return
        row = self._taken(line, cells)
        if row is None:
            return
        if not self._mapping.equity_rows.holds(row.cells):
            self._check_width(cells, line)
        yield row

    def _taken(self, line: int, cells: list[str]) -> TableRow | None:
        """Return the row unless `keep` or `ignore` of the mapping say that it is none."""
        known = len(cells)
        found = {name: cells[place] if place < known else "" for name, place in (self._places or {}).items()}
        mapping = self._mapping
        if any(found.get(name) not in values for name, values in mapping.keep.items()) or any(
            found.get(name) in values for name, values in mapping.ignore.items()
        ):
            return None
        return TableRow(line=line, cells=found)

    def _check_width(self, cells: Sequence[str], line: int) -> None:
        filled = max((index + 1 for index, cell in enumerate(cells) if cell), default=0)
        if self._width <= len(cells) and filled <= self._most:
            return
        problem = f"{len(cells)} columns where the header has {self._width}"
        if len(cells) < self._width and self._lines.is_cut:
            raise self._source.cut(problem, line)
        raise self._source.bad(problem, line)

    def _check_end(self) -> None:
        """Raise an error if there was no table, or the last has no end."""
        self._lines.check_footer()
        if not self._has_header:
            if not self._layout.find_header:
                raise self._source.bad("there is no header: see file.skip_lines of the mapping", 1)
            wanted = [" or ".join(map(repr, names)) for names in self._mapping.columns.values()]
            raise self._source.bad(f"has no header with the columns {', '.join(wanted)}")
        ends_at = self._layout.table_ends_at
        if self._places is not None and ends_at is not NOTHING and not ends_at.search(""):
            raise self._source.cut(f"the last table has no end: no line is like {ends_at.pattern!r}")

    def _values(self, line: int, text: str) -> Iterator[LineValue]:
        for name, patterns in self._mapping.lines.items():
            for part, pattern in enumerate(patterns):
                found = pattern.search(text)
                if found:
                    groups = found.groupdict()
                    value = groups.get("value", found[1])
                    yield LineValue(
                        line=line, name=name, value=(value or "").strip(), part=part, currency=groups.get("currency")
                    )

    def _text(self, cells: list[str]) -> str:
        """Return the line as the mapping's patterns see it; nothing if there are none, because that is faster."""
        if not self._has_patterns:
            return ""
        return " | ".join(cells).strip(" |")

    def _columns(self, names: Sequence[str], line: int) -> dict[str, int]:
        """Return where each column stands.

        Raises:
            BadData: a column that is needed is missing, or stands there twice.
        """
        places: dict[str, int] = {}
        mapping = self._mapping
        for local, wanted in chain(mapping.columns.items(), mapping.optional_columns.items()):
            place = self._place(wanted, names, line)
            if place is not None:
                places[local] = place
            elif self._is_required(local):
                raise self._missing(wanted[0], local, names, line)
        for wanted_name in mapping.other_columns:
            place = self._place((wanted_name,), names, line)
            if place is None:
                raise self._missing(wanted_name, "rows to keep or ignore, or cash", names, line)
            places[wanted_name] = place
        return places

    def _is_required(self, local: str) -> bool:
        mapping = self._mapping
        if local in mapping.optional_columns:
            return False
        return mapping.columns_are_required or (
            local in NEEDED and local in DEFAULT_COLUMNS and local not in mapping.constants
        )

    def _place(self, wanted: Sequence[str], names: Sequence[str], line: int) -> int | None:
        for name in wanted:
            if name.startswith("#") and name[1:].isdecimal():
                return int(name[1:]) - 1
            count = names.count(name)
            if count > 1:
                raise self._source.bad(f"the header has {name!r} {count} times", line)
            if count:
                return names.index(name)
        return None

    def _missing(self, wanted: str, what: str, names: Sequence[str], line: int) -> BadData:
        return self._source.bad(
            f"the header has no {wanted!r} (for {what}); it has: {', '.join(names)}. Name the columns in a mapping",
            line,
        )


def is_header(mapping: CsvMapping, cells: Sequence[str]) -> bool:
    """Say whether a line has all columns that the mapping names."""
    names = set(cells)
    columns = [found for found in mapping.columns.values() if not found[0].startswith("#")]
    return all(names.intersection(found) for found in columns) and names.issuperset(mapping.layout.header_has)
