"""XML read as a stream of elements: constant memory, no DOCTYPE, no entities, a line for every error."""

from collections.abc import Mapping
from typing import Protocol
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from reconciliation.broker.statement_source import StatementSource

#: What expat says when the text ends inside something: no element, token, character, CDATA section.
_EXPAT_CODES_OF_AN_EARLY_END = {3, 5, 6, 20}


class ElementHandler(Protocol):
    """What a format does with the elements of its file."""

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None: ...
    def end(self, name: str, text: str, line: int) -> None:
        """`text` is what stood in the element itself, after its last child."""
        ...


class _Forwarder(ContentHandler):
    def __init__(self, handler: ElementHandler, parser: DefusedExpatParser) -> None:
        super().__init__()
        self._handler = handler
        self._parser = parser
        self._text: list[str] = []

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX's name
        self._text.clear()
        self._handler.start(name, dict(attrs.items()), self._parser.getLineNumber())

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX's name
        self._handler.end(name, "".join(self._text), self._parser.getLineNumber())
        self._text.clear()

    def characters(self, content: str) -> None:
        self._text.append(content)


def parse_xml(source: StatementSource, handler: ElementHandler) -> None:
    """Read the whole file and tell `handler` each element.

    Raises:
        Incomplete: the file ends too early.
        BadData: it is not well-formed, or carries a DOCTYPE or entities; or what `handler` raises.
    """
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(_Forwarder(handler, parser))
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


def _explain(source: StatementSource, error: SAXParseException) -> Exception:
    line = error.getLineNumber()
    if getattr(error.getException(), "code", None) in _EXPAT_CODES_OF_AN_EARLY_END:
        return source.cut(f"the XML ends too early ({error.getMessage()})", line)
    return source.bad(f"not well-formed XML, column {error.getColumnNumber()}: {error.getMessage()}", line)
