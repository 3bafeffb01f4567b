"""The table of statement formats, in the order in which a file is tried. Everything that lists formats reads it."""

import codecs
from collections.abc import Mapping, Sequence
from typing import Any

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.csv.adapter import CSV
from reconciliation.adapters.brokers.statements.custody.mt535 import MT535
from reconciliation.adapters.brokers.statements.custody.semt002 import SEMT002
from reconciliation.adapters.brokers.statements.flex.adapter import FLEX
from reconciliation.adapters.brokers.statements.format import FormatOption, StatementFormat
from reconciliation.adapters.brokers.statements.ofx.adapter import OFX
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import InvalidInputError

_SNIFFED_BYTES = 4096


FORMATS: Mapping[str, StatementFormat] = {row.name: row for row in (FLEX, OFX, SEMT002, MT535, CSV)}
#: Every option of a format, by name.
FORMAT_OPTIONS: Mapping[str, FormatOption] = {option.name: option for row in FORMATS.values() for option in row.options}


def titles(option: FormatOption | None = None) -> str:
    """Return the names of all formats, or of those that take the option, as words."""
    return ", ".join(row.title for row in FORMATS.values() if option is None or option in row.options)


def sniff_format(source: StatementSource) -> StatementFormat:
    """Return the format that the file's first bytes show.

    Raises:
        ReadError: the file cannot be read, is empty or binary, or is of no format that is known.
    """
    head = source.head()[:_SNIFFED_BYTES]
    utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if utf_16 else "latin-1", errors="ignore").lstrip("\xef\xbb\xbf\ufeff \r\n\t")
    for row in FORMATS.values():
        if row.sniff(text):
            return row
    raise source.bad(f"is of none of the formats {titles()}: begins with {text[:40]!r}", 1)


def read_statements(
    source: StatementSource, *, format_name: str | None = None, options: Mapping[str, Any] | None = None
) -> Sequence[Statement]:
    """Return the newest statement of each account in a file of any format that is read.

    Args:
        source: the file.
        format_name: its format; None: what it looks like.
        options: options of its format, by name.

    Raises:
        ReadError: the file cannot be read completely and without doubt.
        InvalidInputError: an unknown format, or an option that the file's format does not take.
        ConfigurationError: an option cannot work.
    """
    if format_name is not None and format_name not in FORMATS:
        raise InvalidInputError(f"format {format_name!r} is not one of: {', '.join(FORMATS)}")
    row = sniff_format(source) if format_name is None else FORMATS[format_name]
    given = options or {}
    foreign = sorted(set(given) - {option.name for option in row.options})
    if foreign:
        raise InvalidInputError(f"{source.path} is read as {row.title}, which takes no option {', '.join(foreign)}")
    return row.reader(BrokerOptions(row.name, given))(source)
