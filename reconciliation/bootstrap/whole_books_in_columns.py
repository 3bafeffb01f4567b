"""Both sides of a whole firm in columns: only accounts that are not plainly equal are read row by row. Needs Polars."""

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from reconciliation.adapters.books.csv import BALANCE_COLUMNS, POSITION_COLUMNS
from reconciliation.adapters.brokers.statements.csv.adapter import CUT_NOTE
from reconciliation.adapters.brokers.statements.csv.mapping import DEFAULT_COLUMNS
from reconciliation.adapters.bulk.equal_accounts import Books, Split, split_accounts
from reconciliation.adapters.bulk.text_frame import NotPlainError, read_text_frame, write_text_frame
from reconciliation.bootstrap.whole_books import BookFiles, NotInColumnsError, read_rows
from reconciliation.ports.whole_books import WholeBooks

#: What only the reader of rows understands, or looks at.
_ONLY_IN_ROWS = frozenset({"side", "total_cost", "buying_power", "margin_used"})
_MORE = ("side", "multiplier", "currency", "isin", "cusip", "figi", "conid")
#: The name of a column in statements to its header in the file.
_LOCAL = {"account": "account_id", **{name: name for name in (*POSITION_COLUMNS[1:], *_MORE)}}
_BALANCES = {"account": "account_id", **{name: name for name in (*BALANCE_COLUMNS[1:], "currency")}}
_BROKER = {name: names[0] for name, names in DEFAULT_COLUMNS.items()}


def read_columns(files: BookFiles) -> WholeBooks:
    """Return both sides.

    Raises:
        NotInColumnsError: only the reader of rows understands these files.
    """
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
        raise NotInColumnsError(str(error)) from error
    rest = _read_some(files, books, split)
    notes = [] if _ends_with_line_end(files.statement.path) else [CUT_NOTE]
    return replace(rest, only_local=split.only_local, only_broker=split.only_broker, equal=split.equal, notes=notes)


def _check_columns(local: pl.DataFrame, balances: pl.DataFrame | None, broker: pl.DataFrame) -> None:
    """Raise NotInColumnsError for what only the reader of rows understands."""
    if broker.is_empty():
        raise NotInColumnsError("the statement has no rows")
    for frame in (local, broker):
        for name in _ONLY_IN_ROWS & set(frame.columns):
            if name == "side" or frame[name].null_count() < frame.height:
                raise NotInColumnsError(f"the column {name!r} is read row by row")
    if balances is not None and "currency" in balances.columns:
        raise NotInColumnsError("balances by currency are read row by row")
    if "as_of" in broker.columns and broker["as_of"].n_unique() > 1:
        raise NotInColumnsError("statements of several dates are read row by row")


def _read_some(files: BookFiles, books: Books, split: Split) -> WholeBooks:
    """Return what is to be judged as the reader of rows has it: the same words for the same cells."""
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


def _ends_with_line_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
