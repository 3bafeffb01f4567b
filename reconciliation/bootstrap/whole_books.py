"""Reads both sides of a whole firm out of two files: in columns where it can, else row by row."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from reconciliation.adapters.books.csv import CsvBook
from reconciliation.adapters.brokers.statements.limits import MAX_FILE_MEGABYTES_OF_A_FIRM, MAX_POSITIONS_OF_A_FIRM
from reconciliation.bootstrap.csv_book import mapped_accounts
from reconciliation.bootstrap.files import DEFAULT_MAX_FILE_MEGABYTES, StatementFile
from reconciliation.errors import InvalidInputError, ReadError
from reconciliation.ports.whole_books import WholeBooks


@dataclass(frozen=True, kw_only=True)
class BookFiles:
    """The files of both sides."""

    positions: Path
    balances: Path | None
    statement: StatementFile
    #: How the local positions are written, if not in our columns.
    mapping: str | None = None
    #: Symbols of the broker that a table maps to local ones.
    mapped_symbols: Collection[str] = ()


def read_whole_books(files: BookFiles) -> WholeBooks:
    """Return both sides, every account of either.

    Raises:
        InvalidInputError: a file is not what it should be; the message names file and line.
        Incomplete, Unavailable: the statement cannot be read; another attempt may help.
        ConfigurationError: the mapping cannot work.
    """
    why = _why_in_rows(files)
    if why is None:
        from reconciliation.bootstrap.whole_books_in_columns import read_columns  # noqa: PLC0415 - an extra

        try:
            return read_columns(files)
        except (NotInColumnsError, InvalidInputError, ReadError) as error:
            # The reader of rows names file and line of a fault, if it is one.
            why = str(error) if isinstance(error, NotInColumnsError) else ""
    books = read_rows(files)
    return replace(books, notes=[*books.notes, f"read row by row, which is slower: {why}"])


class NotInColumnsError(Exception):
    """The files cannot be compared in columns."""


def _why_in_rows(files: BookFiles) -> str | None:
    """Return why both files cannot be read in columns; None if they may."""
    if files.mapping is not None or files.statement.options:
        return "only files with our own column names are read in columns"
    if files.statement.detect_format() != "csv":
        return "only CSV files are read in columns"
    if find_spec("polars") is None:
        return "install reconciliation-workers[bulk] to read in columns"
    return None


def read_rows(files: BookFiles) -> WholeBooks:
    file = files.statement
    statements = {statement.account_id: statement for statement in file.read()}
    read_accounts = None
    if files.mapping is not None:
        read_accounts = mapped_accounts(files.mapping, file.options.get("default_account"))
    try:
        local = CsvBook(files.positions, files.balances, read_accounts=read_accounts).read()
    except ReadError as error:
        raise InvalidInputError(str(error)) from error
    return WholeBooks(
        local={account_id: snapshot for account_id, snapshot in local.items() if account_id in statements},
        broker={
            account_id: file.snapshot(statement) for account_id, statement in statements.items() if account_id in local
        },
        only_local=[account_id for account_id in local if account_id not in statements],
        only_broker=[account_id for account_id in statements if account_id not in local],
        notes=sorted({note for statement in statements.values() for note in statement.notes}),
    )


def of_a_firm(file: StatementFile) -> StatementFile:
    """Return the file with the limits of a whole firm; a limit that was chosen stays."""
    chosen = file.max_file_megabytes != DEFAULT_MAX_FILE_MEGABYTES
    megabytes = file.max_file_megabytes if chosen else MAX_FILE_MEGABYTES_OF_A_FIRM
    return replace(file, max_file_megabytes=megabytes, max_rows=MAX_POSITIONS_OF_A_FIRM)
