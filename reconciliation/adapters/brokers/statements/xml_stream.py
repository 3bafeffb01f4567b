"""XML read as a stream of elements: constant memory, no DOCTYPE, no entities, a line for every error."""

import re
from collections.abc import Mapping
from typing import Protocol
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from reconciliation.adapters.brokers.statements.source import StatementSource

#: What expat says when the text ends inside something: no element, token, character, CDATA section.
_EXPAT_CODES_OF_AN_EARLY_END = {3, 5, 6, 20}

_DECLARED_ENCODING = re.compile(rb"""^\W*<\?xml[^>]*?encoding=["']([^"'>]*)""")
#: What expat knows by itself; of others it takes those of one byte a character.
_EXPAT_ENCODINGS = {"utf-8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "iso-8859-1"}

#: Statements are nested some ten deep; each open element costs memory that no file size bounds well.
MAX_DEPTH = 100
#: Of the text in one element.
MAX_TEXT_CHARACTERS = 1024 * 1024


class ElementHandler(Protocol):
    """What a format does with the elements of its file."""

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None: ...
    def end(self, name: str, text: str, line: int) -> None:
        """`text` is what stood in the element itself, after its last child."""
        ...


class _Forwarder(ContentHandler):
    def __init__(self, source: StatementSource, handler: ElementHandler, parser: DefusedExpatParser) -> None:
        super().__init__()
        self._source = source
        self._handler = handler
        self._parser = parser
        self._depth = 0
        self._text: list[str] = []
        self._characters = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX's name
        self._depth += 1
        line = self._parser.getLineNumber()
        if self._depth > MAX_DEPTH:
            raise self._source.bad(f"elements are nested more than {MAX_DEPTH} deep", line)
        self._forget_text()
        self._handler.start(name, dict(attrs.items()), line)

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX's name
        self._depth -= 1
        text = "".join(self._text)
        self._forget_text()
        self._handler.end(name, text, self._parser.getLineNumber())

    def characters(self, content: str) -> None:
        self._characters += len(content)
        if self._characters > MAX_TEXT_CHARACTERS:
            line = self._parser.getLineNumber()
            raise self._source.bad(f"the text of one element is longer than {MAX_TEXT_CHARACTERS} characters", line)
        self._text.append(content)

    def _forget_text(self) -> None:
        self._text.clear()
        self._characters = 0


def parse_xml(source: StatementSource, handler: ElementHandler) -> None:
    """Read the whole file and pass each element to `handler`.

    Raises:
        Incomplete: the file ends too early.
        BadData: it is not well-formed, or carries a DOCTYPE or entities; or what `handler` raises.
    """
    _check_encoding(source)
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(_Forwarder(source, handler, parser))
    try:
        for chunk in source.chunks():
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException:
        raise source.bad(
            "carries a DOCTYPE or entity declarations, which no statement needs and attacks use; it was not read",
            parser.getLineNumber(),
        ) from None
    except SAXParseException as error:
        raise _explain(source, error) from None


def _check_encoding(source: StatementSource) -> None:
    """Refuse an encoding that the parser would fail at in its own ways."""
    declared = _DECLARED_ENCODING.match(source.head().replace(b"\0", b""))
    if declared is None:
        return
    name = declared[1].decode("latin-1").lower()
    if name not in _EXPAT_ENCODINGS and not _is_of_one_byte(name):
        raise source.bad(f"declares the encoding {name[:40]!r}, which cannot be read: save it as UTF-8", 1)


def _is_of_one_byte(encoding: str) -> bool:
    every_byte = bytes(range(256))
    try:
        return len(every_byte.decode(encoding, "replace")) == len(every_byte)
    except (LookupError, UnicodeError, ValueError):
        return False


def _explain(source: StatementSource, error: SAXParseException) -> Exception:
    line = error.getLineNumber()
    if getattr(error.getException(), "code", None) in _EXPAT_CODES_OF_AN_EARLY_END:
        return source.cut(f"the XML ends too early ({error.getMessage()})", line)
    return source.bad(f"not well-formed XML, column {error.getColumnNumber()}: {error.getMessage()}", line)
