"""A sheet of an XLSX file as lines of cells, for the same mappings as CSV. Needs the extra `xlsx`."""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path

from reconciliation.adapters.brokers.statements.csv.lines import Line, Lines
from reconciliation.adapters.brokers.statements.csv.mapping import CsvLayout
from reconciliation.adapters.brokers.statements.limits import MEGABYTE
from reconciliation.adapters.brokers.statements.source import SPREADSHEET_MARK, StatementSource
from reconciliation.errors import ConfigurationError, Unavailable

#: What a file may hold once it is unpacked, as a multiple of the limit of the file itself.
_MAX_UNPACKED_FACTOR = 8


class SheetLines(Lines):
    """The rows of a sheet: the one that the mapping names, or the first."""

    def __init__(self, source: StatementSource, layout: CsvLayout) -> None:
        self._source = source
        self._layout = layout
        self._last = ""

    def __iter__(self) -> Iterator[Line]:
        rows = self._rows()
        for number, row in enumerate(rows[self._layout.skip_lines :], start=self._layout.skip_lines + 1):
            cells = [self._text(cell) for cell in row]
            filled = next((cell for cell in cells if cell.strip()), "")
            self._last = filled or self._last
            yield number, cells

    @property
    def is_cut(self) -> bool:
        return False

    def is_footer(self, cells: Sequence[str]) -> bool:
        del cells
        footer = self._layout.last_line_starts_with
        return bool(footer) and self._last.startswith(footer)

    def check_footer(self) -> None:
        footer = self._layout.last_line_starts_with
        if footer and not self.is_footer(()):
            raise self._source.cut(f"the last row does not begin with {footer!r}")

    def _rows(self) -> Sequence[Sequence[object]]:
        try:
            from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigurationError(
                f"{self._source.path} is a spreadsheet: install reconciliation-workers[xlsx]"
            ) from error
        self._check_size(self._source.path)
        try:
            with CalamineWorkbook.from_path(str(self._source.path)) as book:
                name = self._layout.sheet or book.sheet_names[0]
                if name not in book.sheet_names:
                    raise self._source.bad(f"has no sheet {name!r}; it has: {', '.join(book.sheet_names)}")
                return book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        except (CalamineError, IndexError) as error:
            raise self._source.bad(f"is no XLSX file that can be read: {error}") from None

    def _check_size(self, path: Path) -> None:
        """Refuse an archive that would fill the memory."""
        limit = self._source.max_file_megabytes * _MAX_UNPACKED_FACTOR
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
        except zipfile.BadZipFile as error:
            raise self._source.bad(f"is no XLSX file that can be read: {error}") from None
        except OSError as error:
            raise Unavailable(f"{path}: cannot be read: {error.strerror or error}") from error
        if unpacked > limit * MEGABYTE:
            raise self._source.bad(f"holds {unpacked / MEGABYTE:.0f} MB when unpacked: the limit is {limit} MB")

    def _text(self, cell: object) -> str:
        """Return a cell as a CSV file of the same layout would have it.

        A spreadsheet keeps 15 digits of a number; further digits mean nothing.
        """
        if isinstance(cell, (bool, str)):
            return str(cell)
        if isinstance(cell, (int, float)):
            return f"{cell:.15g}".replace(".", self._layout.decimal)
        if isinstance(cell, datetime):
            return cell.strftime("%Y-%m-%d %H:%M:%S") if cell.time() != datetime.min.time() else f"{cell:%Y-%m-%d}"
        return f"{cell:%Y-%m-%d}" if isinstance(cell, date) else str(cell)


def is_spreadsheet(source: StatementSource) -> bool:
    """Say whether the file is one.

    Raises:
        ReadError: it cannot be read at all.
    """
    return source.head().startswith(SPREADSHEET_MARK)
