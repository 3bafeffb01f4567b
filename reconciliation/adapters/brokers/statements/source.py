"""A statement file as bytes: bounded, and named with the place in every error about it."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciliation.adapters.brokers.statements.limits import (
    DEFAULT_MAX_FILE_MEGABYTES,
    MAX_LINE_CHARACTERS,
    MAX_POSITIONS,
    MAX_PROBLEM_CHARACTERS,
    MEGABYTE,
)
from reconciliation.errors import BadData, Incomplete, Unavailable

_CHUNK_BYTES = 64 * 1024
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: How a spreadsheet begins: it is a ZIP archive.
SPREADSHEET_MARK = b"PK\x03\x04"


@dataclass(frozen=True, kw_only=True)
class StatementSource:
    """One file that is to be read as a statement."""

    path: Path
    max_file_megabytes: int = DEFAULT_MAX_FILE_MEGABYTES
    #: Rows of a CSV file, which a reader of rows keeps in memory.
    max_rows: int = MAX_POSITIONS

    def bad(self, problem: str, line: int | None = None) -> BadData:
        """Return the error for content that cannot be understood, naming file and line."""
        return BadData(self._sentence(problem, line))

    def cut(self, problem: str, line: int | None = None) -> Incomplete:
        """Return the error for a file that ends too early, naming file and line."""
        return Incomplete(f"{self._sentence(problem, line)}: the file is cut off; fetch it again")

    def modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.path.stat().st_mtime, tz=UTC)

    def head(self) -> bytes:
        """Return the first bytes, enough to recognize the format; they may be those of a spreadsheet.

        Raises:
            Unavailable, BadData: as `chunks`.
        """
        return next(self._chunks((*_UTF_16_MARKS, SPREADSHEET_MARK)))

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes; at least one chunk, none of them empty.

        Raises:
            Unavailable: the file cannot be opened or read.
            BadData: it is empty, binary, too large or no file at all.
        """
        return self._chunks(_UTF_16_MARKS)

    def _chunks(self, binary_marks: tuple[bytes, ...]) -> Iterator[bytes]:
        if self.path.exists() and not self.path.is_file():
            raise self.bad("is not a regular file (a directory or a pipe)")
        read = 0
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    self._check(chunk, read, binary_marks)
                    read += len(chunk)
                    yield chunk
        except OSError as error:
            raise Unavailable(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if not read:
            raise self.bad("is empty")

    def texts(self, encoding: str) -> Iterator[str]:
        """Yield the file's text in pieces, decoded strictly.

        Raises:
            BadData: a byte that is not of this encoding.
        """
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        line = 1
        for chunk in self.chunks():
            text = self._decode(decoder, chunk, line, encoding)
            line += text.count("\n")
            yield text
        yield self._decode(decoder, b"", line, encoding, final=True)

    def lines(self, encoding: str) -> Iterator[str]:
        """Yield the file's lines with their line ends, decoded strictly.

        Raises:
            BadData: a byte that is not of this encoding, or a line without end.
        """
        line, pending = 1, ""
        for text in self.texts(encoding):
            *whole, pending = (pending + text).split("\n")
            line += len(whole)
            if len(pending) > MAX_LINE_CHARACTERS:
                raise self.bad(f"the line is longer than {MAX_LINE_CHARACTERS} characters", line)
            yield from (one + "\n" for one in whole)
        if pending:
            yield pending

    def _decode(
        self, decoder: codecs.IncrementalDecoder, chunk: bytes, line: int, encoding: str, *, final: bool = False
    ) -> str:
        try:
            return decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            byte = error.object[error.start]
            raise self.bad(f"byte 0x{byte:02x} is not {encoding}: is the encoding right?", line) from None

    def _check(self, chunk: bytes, read: int, binary_marks: tuple[bytes, ...]) -> None:
        if not read:
            size = self.path.stat().st_size
            if size > self._max_bytes:
                raise self._too_large(f"is {size / MEGABYTE:.0f} MB")
            if b"\0" in chunk and not chunk.startswith(binary_marks):
                raise self.bad("is binary, not a statement (an archive must be unpacked)")
        if read + len(chunk) > self._max_bytes:
            raise self._too_large("has grown")

    def _too_large(self, what: str) -> BadData:
        return self.bad(
            f"{what}, above the limit of {self.max_file_megabytes} MB: ask the broker for fewer days or accounts "
            "per file, or raise the option max_file_megabytes"
        )

    @property
    def _max_bytes(self) -> int:
        return self.max_file_megabytes * MEGABYTE

    def _sentence(self, problem: str, line: int | None) -> str:
        place = f"{self.path}" if line is None else f"{self.path}: line {line}"
        if len(problem) > MAX_PROBLEM_CHARACTERS:
            # The place comes first in a sentence, and the remedy last.
            half = MAX_PROBLEM_CHARACTERS // 2
            problem = f"{problem[:half]} … {problem[-half:]}"
        return f"{place}: {problem}"
