"""SWIFT FIN messages as fields: envelopes taken off, continuation lines joined, blocks checked to nest."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciliation.adapters.brokers.statements.limits import (
    MAX_BLOCK_DEPTH,
    MAX_FIELD_CHARACTERS,
    MAX_FIELD_LINES,
    MAX_HEADER_LINES,
    MAX_MESSAGE_FIELDS,
)
from reconciliation.adapters.brokers.statements.source import StatementSource

_FIELD = re.compile(r":(\d{2}[A-Z]?):(.*)")
_TYPE = re.compile(r"\{2:[IO](\d{3})")
_TEXT_BEGINS = "{4:"
_TEXT_ENDS = "-}"


@dataclass(frozen=True, kw_only=True)
class FinField:
    """One field, such as tag `93B` with `:AGGR//UNIT/100,`; `path` is the blocks (16R) it stands in."""

    tag: str
    value: str
    path: tuple[str, ...]
    line: int

    @property
    def qualifier(self) -> str:
        """`AGGR` of `:AGGR//UNIT/100,`; empty for fields without one."""
        return self.value[1:5] if self.value.startswith(":") else ""

    @property
    def content(self) -> str:
        """What follows `//`, or for a proprietary code what follows its scheme: `:STAT/XYZ/abc` gives `abc`."""
        if not self.value.startswith(":"):
            return self.value
        _, _, rest = self.value[5:].partition("/")
        return rest.partition("/")[2]


@dataclass(frozen=True, kw_only=True)
class FinMessage:
    """One message's text."""

    #: "535"; None where the text stands without its envelope.
    type: str | None
    fields: tuple[FinField, ...]
    line: int


def messages(source: StatementSource) -> Iterator[FinMessage]:
    """Yield the messages of the file, each complete.

    Raises:
        Incomplete: the file ends inside a message.
        BadData: text that is no field, or blocks that do not nest.
    """
    header, header_lines = "", 0
    reader: _TextReader | None = None
    for line, raw in enumerate(source.lines("utf-8-sig"), 1):
        text = raw.rstrip("\r\n")
        if reader is not None and (text.startswith(_TEXT_ENDS) or (text == "-" and reader.is_bare)):
            yield reader.finish()
            reader, header, header_lines, text = None, "", 0, text[len(_TEXT_ENDS) :]
        if reader is not None and not raw.endswith("\n"):
            raise source.cut("the last line is none that ends a message (-})", line)
        if reader is not None:
            reader.take(text, line)
        elif text.startswith(":"):
            # The text alone, as some systems export it.
            reader = _TextReader(source, None, line, is_bare=True)
            reader.take(text, line)
        else:
            header += text
            header_lines += 1
            # An acknowledgement's text goes on in the same line: {4:{177:...
            if header.endswith(_TEXT_BEGINS):
                types = _TYPE.findall(header)
                reader = _TextReader(source, types[-1] if types else None, line)
            elif header_lines > MAX_HEADER_LINES or len(header) > MAX_FIELD_CHARACTERS:
                raise source.bad("no SWIFT message begins here", line)
    if reader is not None:
        raise source.cut("the last message has no end (-})", reader.line)
    if _TYPE.search(header):
        raise source.cut("the last message has a header and no text")


class _TextReader:
    """Gathers the fields of one message."""

    def __init__(self, source: StatementSource, message_type: str | None, line: int, *, is_bare: bool = False) -> None:
        self.line = line
        #: Without its envelope; such text may end with a dash alone.
        self.is_bare = is_bare
        self._source = source
        self._type = message_type
        self._path: list[tuple[str, int]] = []
        self._fields: list[FinField] = []
        self._open: tuple[str, list[str], int] | None = None
        self._characters = 0

    def take(self, text: str, line: int) -> None:
        """Take one line: a field, or the continuation of one."""
        found = _FIELD.fullmatch(text)
        if found:
            self._close_field()
            self._open = (found[1], [found[2]], line)
            self._characters = len(text)
        elif text.startswith(":") or self._open is None:
            raise self._source.bad(f"{text[:40]!r} is no SWIFT field", line)
        else:
            self._open[1].append(text)
            self._characters += len(text)
            if len(self._open[1]) > MAX_FIELD_LINES:
                raise self._source.bad(f"field {self._open[0]} has more than {MAX_FIELD_LINES} lines", line)
        if self._characters > MAX_FIELD_CHARACTERS:
            raise self._source.bad(f"a field is longer than {MAX_FIELD_CHARACTERS} characters", line)

    def finish(self) -> FinMessage:
        self._close_field()
        if self._path:
            block, line = self._path[-1]
            raise self._source.bad(f"block {block} is not closed", line)
        return FinMessage(type=self._type, fields=tuple(self._fields), line=self.line)

    def _close_field(self) -> None:
        if self._open is None:
            return
        tag, lines, line = self._open
        self._open = None
        value = "\n".join(lines).strip()
        if tag == "16R":
            self._path.append((value, line))
            if len(self._path) > MAX_BLOCK_DEPTH:
                raise self._source.bad(f"blocks nest deeper than {MAX_BLOCK_DEPTH}", line)
        elif tag == "16S":
            if not self._path or self._path[-1][0] != value:
                raise self._source.bad(f"block {value} ends here and did not begin", line)
            self._path.pop()
        if len(self._fields) >= MAX_MESSAGE_FIELDS:
            raise self._source.bad(f"a message of more than {MAX_MESSAGE_FIELDS} fields", line)
        self._fields.append(FinField(tag=tag, value=value, path=tuple(name for name, _ in self._path), line=line))
