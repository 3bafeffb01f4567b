"""Whose export a file is, by its header; only where that is sure."""

import csv
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice

from reconciliation.adapters.brokers.statements.csv.lines import DELIMITERS, MAX_LINES_ABOVE_HEADER
from reconciliation.adapters.brokers.statements.csv.mapping import CsvMapping
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, shipped_names
from reconciliation.adapters.brokers.statements.csv.spreadsheet import SheetLines
from reconciliation.adapters.brokers.statements.csv.tables import is_header
from reconciliation.adapters.brokers.statements.source import SPREADSHEET_MARK, StatementSource

#: What a header of our own column names has at least.
_OUR_NAMES = frozenset({"symbol", "quantity"})


def recognise(source: StatementSource) -> CsvMapping:
    """Return the mapping that ships for this export, or the one of our own column names.

    Raises:
        ReadError: the file cannot be read, lists transactions, or looks like several exports.
    """
    rows = list(_head(source))
    if rows and _OUR_NAMES.issubset(rows[0]):
        return CsvMapping()
    found = {name: mapping for name, mapping in _shipped() if any(is_header(mapping, cells) for cells in rows)}
    if len(found) > 1:
        raise source.bad(f"looks like an export of {' and of '.join(sorted(found))}: say which, as the mapping")
    if found:
        return next(iter(found.values()))
    for title, header in _transactions():
        if any(header.issubset(cells) for cells in rows):
            raise source.bad(
                f"lists transactions ({title}), and positions cannot be derived from them reliably: "
                "export the positions or holdings, if your broker offers them"
            )
    return CsvMapping()


def _head(source: StatementSource) -> Iterator[Sequence[str]]:
    """Yield the cells of the first lines, cut at every sign that may be the delimiter."""
    head = source.head()
    if head.startswith(SPREADSHEET_MARK):
        for _, cells in islice(SheetLines(source, CsvMapping().layout), MAX_LINES_ABOVE_HEADER):
            yield [cell.strip() for cell in cells]
        return
    text = _decoded(head)
    lines = text.splitlines(keepends=True)[:MAX_LINES_ABOVE_HEADER]
    for delimiter in DELIMITERS:
        try:
            yield from ([cell.strip() for cell in cells] for cells in csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue


def _decoded(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="ignore")
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The head may end within a character.
        return head.decode("utf-8-sig", "ignore") if error.start > len(head) - 4 else head.decode("cp1252", "replace")


@cache
def _shipped() -> tuple[tuple[str, CsvMapping], ...]:
    return tuple((name, load_mapping(name)) for name in shipped_names())


@cache
def _transactions() -> tuple[tuple[str, frozenset[str]], ...]:
    text = (files(__package__) / "transactions.toml").read_text(encoding="utf-8")
    return tuple((title, frozenset(header)) for title, header in tomllib.loads(text).items())
