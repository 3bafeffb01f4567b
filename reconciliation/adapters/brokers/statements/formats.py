"""Which statement format a file is in, and the reader of each."""

import codecs
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from reconciliation.adapters.brokers.statements.csv.adapter import mapping_from, read_csv
from reconciliation.adapters.brokers.statements.custody.mt535 import read_mt535
from reconciliation.adapters.brokers.statements.custody.semt002 import REPORT, read_semt002
from reconciliation.adapters.brokers.statements.flex.adapter import read_flex
from reconciliation.adapters.brokers.statements.ofx.adapter import read_ofx
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import InvalidInputError

FORMATS = ("flex", "ofx", "csv", "mt535", "semt002")

_FLEX = re.compile(r"<(FlexQueryResponse|FlexStatementResponse)\b")
_OFX = re.compile(r"OFXHEADER|<\?OFX\b|<OFX>", re.IGNORECASE)
_SEMT_002 = re.compile(rf"\bsemt\.002\.|<(\w+:)?{REPORT}\b")
_MT_535 = re.compile(r"\{1:F|:16R:GENL")
_SNIFFED_BYTES = 4096


def sniff_format(source: StatementSource) -> str:
    """Return the name of the format that the file's first bytes show; text that is no markup is CSV.

    Raises:
        ReadError: the file cannot be read, is empty or binary, or is markup of another kind.
    """
    head = source.head()[:_SNIFFED_BYTES]
    utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if utf_16 else "latin-1", errors="ignore").lstrip("\xef\xbb\xbf \r\n\t")
    if _FLEX.search(text):
        return "flex"
    if _OFX.search(text):
        return "ofx"
    if _SEMT_002.search(text):
        return "semt002"
    if _MT_535.match(text):
        return "mt535"
    if text.startswith("<"):
        raise source.bad("is neither Flex, OFX nor semt.002: begins with " + repr(text[:40]), 1)
    return "csv"


def read_statements(
    source: StatementSource,
    *,
    format_name: str | None = None,
    mapping: Path | None = None,
    absent_is_flat: bool = False,
    basis: str | None = None,
) -> Sequence[Statement]:
    """Return the newest statement of each account in a file of any format that is read.

    Raises:
        ReadError: the file cannot be read surely and completely.
        InvalidInputError: a mapping for what is not CSV, or an unknown format.
        ConfigurationError: the mapping cannot work.
    """
    name = format_name or sniff_format(source)
    if name not in FORMATS:
        raise InvalidInputError(f"format {name!r} is not one of: {', '.join(FORMATS)}")
    if mapping is not None and name != "csv":
        raise InvalidInputError(f"{source.path} is read as {name}, which takes no mapping")
    readers: dict[str, Callable[[], Sequence[Statement]]] = {
        "flex": lambda: read_flex(source),
        "ofx": lambda: read_ofx(source, absent_is_flat=absent_is_flat),
        "csv": lambda: read_csv(source, mapping_from(mapping)),
        "mt535": lambda: read_mt535(source, basis=basis),
        "semt002": lambda: read_semt002(source, basis=basis),
    }
    return readers[name]()
