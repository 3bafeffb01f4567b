"""CSV exports, read by a column mapping."""

import csv
from collections.abc import Iterator, Sequence

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.csv.mapping import CsvMapping
from reconciliation.adapters.brokers.statements.csv.rows import CsvAccounts, CsvRow
from reconciliation.adapters.brokers.statements.format import FormatOption, StatementFormat
from reconciliation.adapters.brokers.statements.limits import MAX_POSITIONS
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, newest_per_account
from reconciliation.errors import InvalidInputError

_DELIMITERS = ",;\t|"

#: (line in the file, its cells)
Row = tuple[int, list[str]]


def read_csv(source: StatementSource, mapping: CsvMapping | None = None) -> list[Statement]:
    """Return the newest statement of each account in the file.

    Raises:
        ReadError: the file cannot be read surely and completely; the message names file, line and remedy.
    """
    mapping = mapping or CsvMapping()
    rows = _CsvLines(source, mapping)
    positions = _columns(source, mapping, *rows.header())
    accounts = CsvAccounts(mapping)
    for count, (line, cells) in enumerate(rows, start=1):
        if count > MAX_POSITIONS:
            raise source.bad(f"more than {MAX_POSITIONS} rows: ask for fewer accounts per file", line)
        try:
            accounts.add(CsvRow({name: cells[index].strip() for name, index in positions.items()}, mapping))
        except InvalidInputError as error:
            raise source.bad(str(error), line) from None
    try:
        return newest_per_account(accounts.conclude(rows.notes()), source)
    except InvalidInputError as error:
        raise source.bad(str(error)) from None


class _CsvLines:
    """The rows of a file, checked to be as wide as the header."""

    def __init__(self, source: StatementSource, mapping: CsvMapping) -> None:
        self._source = source
        self._layout = mapping.layout
        self._last = ""
        self._lines = self._remembered(source.lines(mapping.layout.encoding))
        for _ in range(mapping.layout.skip_lines):
            next(self._lines, None)
        self._header = next(self._lines, "")
        delimiter = self._layout.delimiter
        if delimiter == "auto":
            delimiter = max(_DELIMITERS, key=self._header.count)
        self._delimiter = delimiter
        self._width = 0

    def header(self) -> tuple[list[str], int]:
        """Return the names of the columns, and their line."""
        line = self._layout.skip_lines + 1
        if not self._header.strip():
            raise self._source.bad("there is no header: see file.skip_lines of the mapping", line)
        try:
            names = next(csv.reader([self._header], delimiter=self._delimiter))
        except csv.Error as error:
            raise self._source.bad(f"the header is not CSV: {error}", line) from None
        self._width = len(names)
        return [name.strip() for name in names], line

    def __iter__(self) -> Iterator[Row]:
        reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        footer = self._layout.last_line_starts_with
        while True:
            line = self._layout.skip_lines + 1 + reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                problem = f"not CSV: {error}"
                raise (
                    self._source.cut(problem, line) if "end of data" in problem else self._source.bad(problem, line)
                ) from None
            if cells is None:
                break
            if footer and self._last.startswith(footer):
                continue
            if any(cell.strip() for cell in cells):
                self._check_width(cells, line)
                yield line, cells
        if footer and not self._last.startswith(footer):
            raise self._source.cut(f"the last line does not begin with {footer!r}")

    def notes(self) -> tuple[str, ...]:
        """Return what is doubtful about the file as a whole, once it is read."""
        if self._last.endswith("\n"):
            return ()
        return ("the last line has no line end: should the file be cut off there, its last figure may be short",)

    def _check_width(self, cells: Sequence[str], line: int) -> None:
        if len(cells) != self._width:
            problem = f"{len(cells)} columns where the header has {self._width}"
            cut = len(cells) < self._width and not self._last.endswith("\n")
            raise self._source.cut(problem, line) if cut else self._source.bad(problem, line)

    def _remembered(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if line.strip():
                self._last = line
            yield line


def _columns(source: StatementSource, mapping: CsvMapping, names: Sequence[str], line: int) -> dict[str, int]:
    """Return where each of our columns stands.

    Raises:
        BadData: a column that is needed is missing, or stands there twice.
    """
    places: dict[str, int] = {}
    for local, broker in mapping.columns.items():
        count = names.count(broker)
        if count > 1:
            raise source.bad(f"the header has {broker!r} {count} times", line)
        if count:
            places[local] = names.index(broker)
        elif mapping.columns_are_required or (
            local in {"account", "symbol", "quantity"} and local not in mapping.constants
        ):
            raise source.bad(
                f"the header has no {broker!r} (for {local}); it has: {', '.join(names)}. "
                "Name the columns in a mapping",
                line,
            )
    return places


def _mapping(options: BrokerOptions) -> CsvMapping | None:
    """Return what the option says: a TOML file, or the mapping itself as an object."""
    if not options.has("mapping"):
        return None
    if options.is_table("mapping"):
        return CsvMapping.from_table(options.table("mapping"))
    return CsvMapping.load(options.path("mapping"))


#: Any text that is no markup.
CSV = StatementFormat(
    name="csv",
    title="CSV",
    sniff=lambda text: not text.startswith("<"),
    read=read_csv,
    options=(
        FormatOption(
            name="mapping",
            help="How to read an export: a TOML file, see docs/brokers/csv.md.",
            read=_mapping,
            is_file=True,
        ),
    ),
)
open_csv = CSV.open
