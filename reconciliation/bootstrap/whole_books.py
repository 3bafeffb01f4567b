"""Reads both sides of a whole firm out of two files: in columns where it can, else row by row."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from reconciliation.adapters.books.csv import BALANCE_COLUMNS, POSITION_COLUMNS, CsvBook
from reconciliation.adapters.brokers.statements.csv.adapter import CUT_NOTE
from reconciliation.adapters.brokers.statements.csv.mapping import DEFAULT_COLUMNS
from reconciliation.adapters.brokers.statements.limits import MAX_FILE_MEGABYTES_OF_A_FIRM, MAX_POSITIONS_OF_A_FIRM
from reconciliation.bootstrap.csv_book import mapped_accounts
from reconciliation.bootstrap.files import DEFAULT_MAX_FILE_MEGABYTES, StatementFile
from reconciliation.errors import InvalidInputError, ReadError
from reconciliation.ports.whole_books import WholeBooks

if TYPE_CHECKING:
    import polars as pl

    from reconciliation.adapters.bulk.equal_accounts import Books, Split

#: What only the reader of rows understands, or looks at.
_ONLY_IN_ROWS = frozenset({"side", "total_cost", "buying_power", "margin_used"})
_MORE = ("side", "multiplier", "currency", "isin", "cusip", "figi", "conid")
#: The name of a column in statements to its header in the file.
_LOCAL = {"account": "account_id", **{name: name for name in (*POSITION_COLUMNS[1:], *_MORE)}}
_BALANCES = {"account": "account_id", **{name: name for name in (*BALANCE_COLUMNS[1:], "currency")}}
_BROKER = {name: names[0] for name, names in DEFAULT_COLUMNS.items()}


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
        try:
            return _read_columns(files)
        except (_NotPlain, InvalidInputError, ReadError) as error:
            # The reader of rows names file and line of a fault, if it is one.
            why = str(error) if isinstance(error, _NotPlain) else ""
    books = read_rows(files)
    return replace(books, notes=[*books.notes, f"read row by row, which is slower: {why}"])


class _NotPlain(Exception):
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


def _read_columns(files: BookFiles) -> WholeBooks:
    from reconciliation.adapters.bulk.equal_accounts import Books, split_accounts  # noqa: PLC0415 - an extra
    from reconciliation.adapters.bulk.text_frame import NotPlainError, read_text_frame  # noqa: PLC0415 - an extra

    try:
        books = Books(
            local=read_text_frame(files.positions, _LOCAL, required=("account", *POSITION_COLUMNS[1:])),
            balances=None
            if files.balances is None
            else read_text_frame(files.balances, _BALANCES, required=("account", "cash", "equity")),
            broker=read_text_frame(files.statement.path, _BROKER, required=("account", "symbol", "quantity")),
        )
        _check_columns(books.local, books.balances, books.broker)
        split = split_accounts(books, files.mapped_symbols)
    except NotPlainError as error:
        raise _NotPlain(str(error)) from error
    rest = _read_some(files, books, split)
    notes = [] if _ends_with_line_end(files.statement.path) else [CUT_NOTE]
    return replace(rest, only_local=split.only_local, only_broker=split.only_broker, equal=split.equal, notes=notes)


def _check_columns(local: "pl.DataFrame", balances: "pl.DataFrame | None", broker: "pl.DataFrame") -> None:
    """Raise _NotPlain for what only the reader of rows understands."""
    if broker.is_empty():
        raise _NotPlain("the statement has no rows")
    for frame in (local, broker):
        for name in _ONLY_IN_ROWS & set(frame.columns):
            if name == "side" or frame[name].null_count() < frame.height:
                raise _NotPlain(f"the column {name!r} is read row by row")
    if balances is not None and "currency" in balances.columns:
        raise _NotPlain("balances by currency are read row by row")
    if "as_of" in broker.columns and broker["as_of"].n_unique() > 1:
        raise _NotPlain("statements of several dates are read row by row")


def _read_some(files: BookFiles, books: "Books", split: "Split") -> WholeBooks:
    """Return what is to be judged as the reader of rows has it: the same words for the same cells."""
    from reconciliation.adapters.bulk.text_frame import write_text_frame  # noqa: PLC0415 - an extra

    accounts = sorted(split.to_judge)
    if not accounts:
        return WholeBooks(local={}, broker={})
    with TemporaryDirectory(prefix="reconcile-") as folder:
        paths = [Path(folder) / name for name in ("positions.csv", "balances.csv", "statement.csv")]
        write_text_frame(books.local, accounts, split.equal_local_rows, _LOCAL, paths[0])
        if books.balances is not None:
            write_text_frame(books.balances, accounts, None, _BALANCES, paths[1])
        write_text_frame(books.broker, accounts, split.equal_broker_rows, _BROKER, paths[2])
        # A statement that states no time was true, at the latest, when its file was written.
        status = files.statement.path.stat()
        os.utime(paths[2], ns=(status.st_atime_ns, status.st_mtime_ns))
        some = replace(
            files,
            positions=paths[0],
            balances=None if books.balances is None else paths[1],
            statement=replace(files.statement, path=paths[2], format_name="csv"),
        )
        return read_rows(some)


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


def _ends_with_line_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def of_a_firm(file: StatementFile) -> StatementFile:
    """Return the file with the limits of a whole firm; a limit that was chosen stays."""
    chosen = file.max_file_megabytes != DEFAULT_MAX_FILE_MEGABYTES
    megabytes = file.max_file_megabytes if chosen else MAX_FILE_MEGABYTES_OF_A_FIRM
    return replace(file, max_file_megabytes=megabytes, max_rows=MAX_POSITIONS_OF_A_FIRM)
