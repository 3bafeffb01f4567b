"""A CSV file as checked rows: each value with its file, line and column in every complaint."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError

#: 100,000 accounts of 50 positions fit; a larger file is more likely a mistake than a book.
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_LINE_CHARACTERS = 65_536
#: The longest name that a column of our tables holds.
MAX_TEXT_CHARACTERS = 128

if TYPE_CHECKING:
    from _csv import Reader


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line of a CSV file, its values stripped; a column that the file lacks is empty."""

    path: Path
    line: int
    values: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return the value, which must not be empty."""
        value = self.values.get(column, "")
        if not value:
            raise self.fault(column, "is empty")
        if len(value) > MAX_TEXT_CHARACTERS:
            raise self.fault(column, f"has {len(value)} characters, the limit is {MAX_TEXT_CHARACTERS}")
        return value

    def optional_text(self, column: str) -> str | None:
        return self.text(column) if self.values.get(column) else None

    def number(self, column: str) -> Decimal:
        """Return the value as a number, which must be there."""
        value = self.text(column)
        try:
            return exact_decimal(value, "it")
        except InvalidInputError as error:
            raise self.fault(column, str(error).removeprefix("it: ")) from None

    def optional_number(self, column: str) -> Decimal | None:
        return self.number(column) if self.values.get(column) else None

    def fault(self, column: str, why: str) -> InvalidInputError:
        return InvalidInputError(f"{self.path}, line {self.line}, column {column!r}: {why}")


def read_rows(path: Path, required: Sequence[str]) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file with a header line; columns that are not asked for are ignored.

    Raises:
        InvalidInputError: the file is missing, too large, not UTF-8, cut off, or not a CSV with these columns.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise InvalidInputError(f"{path} has {size_bytes:,} bytes: the limit is {MAX_FILE_BYTES:,}")
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _parse(path, csv.reader(_lines(path, file), strict=True), required)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not UTF-8 text: save it as CSV UTF-8") from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the lines; a line without end is never read whole."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if "\0" in line:
            raise InvalidInputError(f"{path}, line {number}: it holds a NUL byte, so it is no UTF-8 text")
        if len(line) == MAX_LINE_CHARACTERS:
            raise InvalidInputError(f"{path}, line {number}: it is longer than {MAX_LINE_CHARACTERS:,} characters")
        yield line


def _parse(path: Path, reader: "Reader", required: Sequence[str]) -> Iterator[CsvRow]:
    columns: list[str] | None = None
    try:
        for fields in reader:
            line = reader.line_num
            values = [field.strip() for field in fields]
            if columns is None:
                columns = _header(path, values, required)
            elif any(values):  # blank lines, as editors leave them at the end
                if len(values) != len(columns):
                    counts = f"{len(values)} values under a header of {len(columns)} columns"
                    raise InvalidInputError(f"{path}, line {line}: {counts}; is the file cut off?")
                yield CsvRow(path, line, dict(zip(columns, values, strict=True)))
    except csv.Error as error:
        raise InvalidInputError(f"{path}, line {reader.line_num}: {error}; is the file cut off?") from None
    if columns is None:
        raise InvalidInputError(f"{path} is empty: its first line must name the columns {', '.join(required)}")


def _header(path: Path, values: list[str], required: Sequence[str]) -> list[str]:
    columns = [value.lower() for value in values]
    missing = [column for column in required if column not in columns]
    if missing:
        found = ", ".join(filter(None, columns))
        raise InvalidInputError(f"{path}, line 1: the column {missing[0]!r} is missing; found: {found}")
    for column in columns:
        if column and columns.count(column) > 1:
            raise InvalidInputError(f"{path}, line 1: the column {column!r} is there twice")
    return columns
