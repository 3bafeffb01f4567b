"""CSV exports, and the same in spreadsheets, read by a column mapping."""

from collections.abc import Iterator

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.csv.lines import CsvLines, Lines
from reconciliation.adapters.brokers.statements.csv.mapping import CsvMapping
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, mapping_from_table
from reconciliation.adapters.brokers.statements.csv.recognition import recognise
from reconciliation.adapters.brokers.statements.csv.rows import CsvAccounts
from reconciliation.adapters.brokers.statements.csv.spreadsheet import SheetLines, is_spreadsheet
from reconciliation.adapters.brokers.statements.csv.tables import TableRow, Tables
from reconciliation.adapters.brokers.statements.format import DEFAULT_ACCOUNT, FormatOption, StatementFormat
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, newest_per_account
from reconciliation.errors import InvalidInputError

#: What a reader of the figures should know of a file that may be cut off.
CUT_NOTE = "the last line has no line end: if the file is cut off there, its last number may be incomplete"


def read_csv(
    source: StatementSource, mapping: CsvMapping | None = None, *, default_account: str | None = None
) -> list[Statement]:
    """Return the newest statement of each account in the file.

    Args:
        source: the file.
        mapping: how it is written; without one, the headers of the file are looked at.
        default_account: whose file it is, where the file does not say.

    Raises:
        ReadError: the file cannot be read reliably and completely; the message names file, line and remedy.
    """
    if mapping is None:
        mapping = recognise(source)
    lines: Lines = (SheetLines if is_spreadsheet(source) else CsvLines)(source, mapping.layout)
    accounts = CsvAccounts(mapping, dict(_known(source, mapping, default_account)))
    rows = 0
    for found in Tables(source, mapping, lines):
        rows += isinstance(found, TableRow)
        if rows > source.max_rows:
            raise source.bad(f"more than {source.max_rows} rows: ask for fewer accounts per file", found.line)
        try:
            accounts.add(found)
        except InvalidInputError as error:
            raise source.bad(str(error), found.line) from None
    try:
        return newest_per_account(accounts.conclude(tuple(_notes(mapping, lines))), source)
    except InvalidInputError as error:
        raise source.bad(str(error)) from None


def _known(source: StatementSource, mapping: CsvMapping, default_account: str | None) -> Iterator[tuple[str, str]]:
    for name, pattern in mapping.file_name.items():
        found = pattern.search(source.path.name)
        if found is not None:
            yield name, found[1]
        elif name == "account":
            raise source.bad(f"its name does not name its account: it is not like {pattern.pattern!r}")
    if default_account is not None and not mapping.names_an_account:
        yield "account", default_account


def _notes(mapping: CsvMapping, lines: Lines) -> Iterator[str]:
    """Yield what a reader should know about the file as a whole, once it is read."""
    if mapping.title:
        yield f"read as an export of {mapping.title}"
    if lines.is_cut:
        yield CUT_NOTE


def _mapping(options: BrokerOptions) -> CsvMapping | None:
    """Return what the option says: the name of a shipped mapping, a TOML file, or the mapping itself as an object."""
    if not options.has("mapping"):
        return None
    return (
        mapping_from_table(options.table("mapping"))
        if options.is_table("mapping")
        else load_mapping(options.text("mapping"))
    )


#: Any text that is no markup.
CSV = StatementFormat(
    name="csv",
    title="CSV",
    sniff=lambda text: not text.startswith("<"),
    read=read_csv,
    options=(
        FormatOption(
            name="mapping",
            help="How to read an export: a name such as schwab, or a TOML file; see docs/brokers/csv.md.",
            read=_mapping,
        ),
        DEFAULT_ACCOUNT,
    ),
)
open_csv = CSV.open
