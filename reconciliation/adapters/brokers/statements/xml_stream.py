"""XML read as a stream of elements: constant memory, no DOCTYPE, no entities, a line for every error."""

import re
from collections.abc import Mapping
from typing import NoReturn, Protocol
from xml.parsers import expat

from reconciliation.adapters.brokers.statements.limits import MAX_DEPTH, MAX_MARKUP_CHARACTERS, MAX_NAMES
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.values import shortened

#: What expat says when the text ends inside something: no element, token, character, CDATA section.
_EXPAT_CODES_OF_AN_EARLY_END = {3, 5, 6, 20}

_DECLARED_ENCODING = re.compile(rb"""^\W*<\?xml[^>]*?encoding=["']([^"'>]*)""")
#: What expat knows by itself; of others it takes those of one byte a character.
_EXPAT_ENCODINGS = {"utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "iso-8859-1"}

#: Names that expat does not know, and what they mean.
_OTHER_NAMES = {"usascii": "us-ascii"}


class ElementHandler(Protocol):
    """What a format does with the elements of its file."""

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None: ...
    def end(self, name: str, text: str, line: int) -> None:
        """`text` is what stood in the element itself; an element with children has none."""
        ...


class _Stream:
    """Passes the elements of one file to a handler, and keeps the bounds."""

    def __init__(self, source: StatementSource, handler: ElementHandler) -> None:
        self._source = source
        self._handler = handler
        self._depth = 0
        self._text: list[str] = []
        self._characters = 0
        #: Whether the last thing read was the end of an element within the open one.
        self._is_after_child = False
        self._fed_bytes = 0
        self._parser = expat.ParserCreate(_encoding(source))
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters_of
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self) -> None:
        parser = self._parser
        try:
            for chunk in self._source.chunks():
                parser.Parse(chunk)
                self._fed_bytes += len(chunk)
                self._check_bounds()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise _explain(self._source, error) from None

    def _check_bounds(self) -> None:
        """Refuse a tag or a comment without end, which expat keeps whole, and names without number, which it keeps."""
        line = self._parser.CurrentLineNumber
        if self._fed_bytes - self._parser.CurrentByteIndex > MAX_MARKUP_CHARACTERS:
            raise self._source.bad(f"a tag or a comment is longer than {MAX_MARKUP_CHARACTERS} bytes", line)
        if len(self._parser.intern) > MAX_NAMES:
            raise self._source.bad(f"more than {MAX_NAMES} different names of elements and attributes", line)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        line = self._parser.CurrentLineNumber
        if self._depth > MAX_DEPTH:
            raise self._source.bad(f"elements are nested more than {MAX_DEPTH} deep", line)
        self._refuse_text(line)
        self._is_after_child = False
        self._handler.start(name, attributes, line)

    def _end(self, name: str) -> None:
        self._depth -= 1
        line = self._parser.CurrentLineNumber
        if self._is_after_child:
            self._refuse_text(line)
        text = "".join(self._text)
        self._forget_text()
        self._is_after_child = True
        self._handler.end(name, text, line)

    def _characters_of(self, content: str) -> None:
        self._characters += len(content)
        if self._characters > MAX_MARKUP_CHARACTERS:
            line = self._parser.CurrentLineNumber
            raise self._source.bad(f"the text of one element is longer than {MAX_MARKUP_CHARACTERS} characters", line)
        self._text.append(content)

    def _refuse_text(self, line: int) -> None:
        """Refuse text beside elements: it may be an element that was damaged, and is not dropped."""
        stray = "".join(self._text).strip()
        if stray:
            raise self._source.bad(f"{shortened(stray)!r} stands where only elements can be", line)
        self._forget_text()

    def _forget_text(self) -> None:
        self._text.clear()
        self._characters = 0

    def _refuse_doctype(self, *_declaration: object) -> NoReturn:
        # Entities can only be declared within it.
        raise self._source.bad(
            "carries a DOCTYPE or entity declarations, which no statement needs and attacks use; it was not read",
            self._parser.CurrentLineNumber,
        )


def parse_xml(source: StatementSource, handler: ElementHandler) -> None:
    """Read the whole file and pass each element to `handler`.

    Raises:
        Incomplete: the file ends too early.
        BadData: it is not well-formed, or carries a DOCTYPE or entities; or what `handler` raises.
    """
    _Stream(source, handler).read()


def _encoding(source: StatementSource) -> str | None:
    """Return the encoding where expat does not know its declared name, and refuse one that cannot be read."""
    declared = _DECLARED_ENCODING.match(source.head().replace(b"\0", b""))
    if declared is None:
        return None
    name = declared[1].decode("latin-1").lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    if name not in _EXPAT_ENCODINGS and not _is_of_one_byte(name):
        raise source.bad(f"declares the encoding {name[:40]!r}, which cannot be read: save it as UTF-8", 1)
    return None


def _is_of_one_byte(encoding: str) -> bool:
    every_byte = bytes(range(256))
    try:
        return len(every_byte.decode(encoding, "replace")) == len(every_byte)
    except (LookupError, UnicodeError, ValueError):
        return False


def _explain(source: StatementSource, error: expat.ExpatError) -> Exception:
    message = expat.ErrorString(error.code)
    if error.code in _EXPAT_CODES_OF_AN_EARLY_END:
        return source.cut(f"the XML ends too early ({message})", error.lineno)
    return source.bad(f"not well-formed XML, column {error.offset}: {message}", error.lineno)
