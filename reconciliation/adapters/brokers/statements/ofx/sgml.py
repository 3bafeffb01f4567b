"""The tags of an OFX 1.x file, read as a stream: leaves need no closing tag, values end at the next tag."""

import html
import re
from collections.abc import Iterator

from reconciliation.adapters.brokers.statements.limits import MAX_MARKUP_CHARACTERS
from reconciliation.adapters.brokers.statements.ofx.collector import OfxCollector
from reconciliation.adapters.brokers.statements.source import StatementSource

_TAG = re.compile(r"<(/?)([A-Za-z0-9._]{1,80})>")
_FORBIDDEN = re.compile(r"<!(DOCTYPE|ENTITY|ELEMENT)", re.IGNORECASE)
_CDATA, _CDATA_ENDS = "<![CDATA[", "]]>"
_SHOWN_CHARACTERS = 40
_MAX_TAG_CHARACTERS = 100


def feed_sgml(source: StatementSource, encoding: str, collector: OfxCollector) -> None:
    """Read the whole file and pass each aggregate and leaf to `collector`.

    Raises:
        BadData: a tag out of its place, text out of any element, or a DOCTYPE.
    """
    for line, closing, name, text in _tags(source, encoding):
        if closing:
            if collector.closes(name):
                collector.close(name, line)
            _refuse_text(source, text, f"after </{name}>", line)
        elif collector.is_aggregate(name):
            collector.open(name, line)
            _refuse_text(source, text, f"directly in <{name}>", line)
        else:
            collector.leaf(name, _value(text), line)


def _tags(source: StatementSource, encoding: str) -> Iterator[tuple[int, bool, str, str]]:
    """Yield (line, is closing, name, the text up to the next tag) for each tag."""
    pending: tuple[int, bool, str] | None = None
    text: list[str] = []
    buffer, line = "", 1
    for piece in source.texts(encoding):
        buffer += piece
        at = 0
        for tag in _TAG.finditer(buffer):
            line += buffer.count("\n", at, tag.start())
            text.append(buffer[at : tag.start()])
            if pending is not None:
                yield (*pending, "".join(text))
            pending, at, text = (line, bool(tag[1]), tag[2].upper()), tag.end(), []
        if _FORBIDDEN.search(buffer):
            raise source.bad("carries a DOCTYPE or entity declarations, which no statement needs and attacks use", line)
        rest = _start_of_a_cut_tag(buffer, at)
        line += buffer.count("\n", at, rest)
        text.append(buffer[at:rest])
        if sum(map(len, text)) > MAX_MARKUP_CHARACTERS:
            raise source.bad(f"the text of one element is longer than {MAX_MARKUP_CHARACTERS} characters", line)
        buffer = buffer[rest:]
    if pending is not None:
        yield (*pending, "".join(text) + buffer)


def _start_of_a_cut_tag(buffer: str, at: int) -> int:
    """Return where a tag begins that may go on in the next piece, else the end of `buffer`."""
    start = buffer.rfind("<", at)
    return start if start != -1 and len(buffer) - start < _MAX_TAG_CHARACTERS else len(buffer)


def _value(text: str) -> str:
    parts, at = [], 0
    while (start := text.find(_CDATA, at)) != -1 and (end := text.find(_CDATA_ENDS, start)) != -1:
        parts += [html.unescape(text[at:start]), text[start + len(_CDATA) : end]]
        at = end + len(_CDATA_ENDS)
    return "".join([*parts, html.unescape(text[at:])]).strip()


def _refuse_text(source: StatementSource, text: str, place: str, line: int) -> None:
    stripped = text.strip()
    if stripped and not stripped.startswith("<!--"):
        raise source.bad(f"{stripped[:_SHOWN_CHARACTERS]!r} stands {place}, where no text can be", line)
