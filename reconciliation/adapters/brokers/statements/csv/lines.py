"""The lines of a file as cells, each with its number: of a CSV file, or of a sheet of a spreadsheet."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from reconciliation.adapters.brokers.statements.csv.mapping import CsvLayout
from reconciliation.adapters.brokers.statements.source import StatementSource

#: The signs of which the header's most frequent one is the delimiter.
DELIMITERS = ",;\t|"
#: The header is within this number of lines from the top.
MAX_LINES_ABOVE_HEADER = 200

#: (number of its first line in the file, its cells)
Line = tuple[int, list[str]]


class Lines(ABC):
    """The lines below those that the mapping skips."""

    @abstractmethod
    def __iter__(self) -> Iterator[Line]: ...

    @property
    @abstractmethod
    def is_cut(self) -> bool:
        """Whether the last line, once it is read, has no end: what stands there may be a part."""

    @abstractmethod
    def is_footer(self, cells: Sequence[str]) -> bool:
        """Say whether this line, just read, is the one that the broker ends the file with."""

    @abstractmethod
    def check_footer(self) -> None:
        """Raise Incomplete if the file, once it is read, does not end with that line."""


class CsvLines(Lines):
    """The lines of a CSV file."""

    def __init__(self, source: StatementSource, layout: CsvLayout) -> None:
        self._source = source
        self._layout = layout
        self._last = ""
        self._header_is_read = False

    def __iter__(self) -> Iterator[Line]:
        lines = self._remembered(self._source.lines(self._layout.encoding))
        skipped = len(list(islice(lines, self._layout.skip_lines)))
        head = list(islice(lines, MAX_LINES_ABOVE_HEADER if self._layout.find_header else 1))
        reader = csv.reader(chain(head, lines), delimiter=self._delimiter(head), strict=True)
        while True:
            line = skipped + reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise self._not_csv(str(error), line) from None
            if cells is None:
                return
            self._header_is_read = True
            yield line, cells

    @property
    def is_cut(self) -> bool:
        return not self._last.endswith("\n")

    def is_footer(self, cells: Sequence[str]) -> bool:
        del cells
        footer = self._layout.last_line_starts_with
        return bool(footer) and self._last.startswith((footer, f'"{footer}'))

    def check_footer(self) -> None:
        footer = self._layout.last_line_starts_with
        if footer and not self.is_footer(()):
            raise self._source.cut(f"the last line does not begin with {footer!r}")

    def _delimiter(self, head: Sequence[str]) -> str:
        if self._layout.delimiter != "auto":
            return self._layout.delimiter
        return max(DELIMITERS, key=lambda sign: max((line.count(sign) for line in head), default=0))

    def _not_csv(self, problem: str, line: int) -> Exception:
        what = "not CSV" if self._header_is_read else "the header is not CSV"
        sentence = f"{what}: {problem}"
        return self._source.cut(sentence, line) if "end of data" in problem else self._source.bad(sentence, line)

    def _remembered(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if line.strip():
                self._last = line
            yield line
