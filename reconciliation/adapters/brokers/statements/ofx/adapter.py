"""OFX and QFX investment statements: 1.x (SGML, tags that need not close) and 2.x (XML)."""

import codecs
import re
from collections.abc import Mapping

from reconciliation.adapters.brokers.statements.format import FormatOption, StatementFormat, contains
from reconciliation.adapters.brokers.statements.ofx.collector import OfxCollector
from reconciliation.adapters.brokers.statements.ofx.sgml import feed_sgml
from reconciliation.adapters.brokers.statements.ofx.statement import conclude_statement
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, newest_per_account
from reconciliation.adapters.brokers.statements.xml_stream import parse_xml

_ENCODING = re.compile(rb"ENCODING:\s*(USASCII|UNICODE|UTF-?8|[\w-]*)", re.IGNORECASE)
_CHARSET = re.compile(rb"CHARSET:\s*([\w-]*)", re.IGNORECASE)
#: <?xml …?> and the <?OFX OFXHEADER="200" …?> of version 2.
_XML = re.compile(rb"^\s*<\?(xml|OFX)\b", re.IGNORECASE)


def read_ofx(source: StatementSource, *, no_position_list_means_flat: bool = False) -> list[Statement]:
    """Return the newest investment statement of each account in the file.

    Raises:
        ReadError: the file cannot be read completely and without doubt; the message names file, line and remedy.
    """
    collector = OfxCollector(source)
    head = source.head()
    if _XML.match(head.removeprefix(codecs.BOM_UTF8)) or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        parse_xml(source, _XmlFeeder(collector))
    else:
        feed_sgml(source, _encoding(head, source), collector)
    collector.finish()
    statements = (
        conclude_statement(found, collector.securities, source, no_position_list_means_flat=no_position_list_means_flat)
        for found in collector.statements
    )
    return newest_per_account(statements, source)


class _XmlFeeder:
    """Gives a collector the elements of a 2.x file as it would get them from a 1.x file."""

    def __init__(self, collector: OfxCollector) -> None:
        self._collector = collector
        self._aggregates: list[bool] = []

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        del attributes
        is_aggregate = self._collector.is_aggregate(name)
        self._aggregates.append(is_aggregate)
        if is_aggregate:
            self._collector.open(name, line)

    def end(self, name: str, text: str, line: int) -> None:
        if self._aggregates.pop():
            self._collector.close(name, line)
        else:
            self._collector.leaf(name, text.strip(), line)


def _encoding(head: bytes, source: StatementSource) -> str:
    """Return the codec that the header of a 1.x file names; without one, UTF-8."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    encoding, charset = _header(_ENCODING, head), _header(_CHARSET, head)
    if encoding in {"", "UTF-8", "UTF8", "UNICODE"}:
        return "utf-8"
    name = {"1252": "cp1252", "": "cp1252", "NONE": "cp1252"}.get(charset, charset)
    try:
        "x".encode(name)
    except LookupError:
        raise source.bad(f"CHARSET:{charset} in the header is not a known character set") from None
    return name


def _header(pattern: re.Pattern[bytes], head: bytes) -> str:
    found = pattern.search(head.partition(b"<")[0])
    return found[1].decode("ascii").upper() if found else ""


OFX = StatementFormat(
    name="ofx",
    title="OFX",
    sniff=contains(r"(?i:OFXHEADER|<\?OFX\b|<OFX>)"),
    read=read_ofx,
    options=(
        FormatOption(
            name="no_position_list_means_flat",
            help="Read a missing position list as no positions; only for banks that leave it out for flat accounts.",
            read=lambda options: options.flag("no_position_list_means_flat", default=False),
            is_flag=True,
        ),
    ),
)
open_ofx = OFX.open
