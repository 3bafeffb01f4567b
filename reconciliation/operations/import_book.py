"""CSV files into the default local book: all of them or nothing, each named account replaced as a whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete
from sqlalchemy.dialects import postgresql, sqlite

from reconciliation.adapters.books.csv import read_balances, read_positions
from reconciliation.adapters.database.bulk_rows import insert_rows, upsert_rows
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.domain.model.snapshots import LocalPosition, LocalSnapshot
from reconciliation.errors import InvalidInputError

#: Rows of one statement: a few megabytes, however large the file.
ROWS_PER_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote."""

    account_ids: tuple[str, ...]
    positions: int


def import_book(
    engine: Engine,
    positions_path: Path,
    balances_path: Path | None = None,
    *,
    on_checked: Callable[[int], object] = lambda _rows: None,
    on_written: Callable[[int], object] = lambda _rows: None,
) -> Imported:
    """Replace every account that the files name, in one transaction; others stay as they are.

    Its positions become those of the positions file: none for an account that only the balances file names, which is
    then flat. Its balances become those of the balances file; without a row there they stay unchanged.
    The files are checked from end to end before anything is written.

    Args:
        engine: of the database with our own tables.
        positions_path: a CSV file of positions.
        balances_path: a CSV file of cash and equity.
        on_checked: called once with the number of rows of positions that are to come.
        on_written: called after each batch with its number of rows of positions.

    Raises:
        InvalidInputError: a file is not as it should be; the message names file, line and column.
        StorageError: the database cannot be reached, or lacks its tables.
    """
    balances = {} if balances_path is None else read_balances(balances_path)
    rows, named = 0, set(balances)
    for account_id, _ in read_positions(positions_path):
        rows += 1
        named.add(account_id)
    if not named:
        raise InvalidInputError(f"{positions_path} names no account: nothing was imported")
    on_checked(rows)
    # Sorted, so that concurrent imports cannot deadlock.
    account_ids = sorted(named)
    written = 0
    with write_transaction(engine) as connection:
        _replace_accounts(connection, account_ids, balances)
        for batch in _batches(read_positions(positions_path)):
            _insert_positions(connection, positions_path, batch, named)
            written += len(batch)
            on_written(len(batch))
        if written != rows:
            raise _changed(positions_path)
    return Imported(account_ids=tuple(account_ids), positions=written)


def _replace_accounts(
    connection: Connection, account_ids: Sequence[str], balances: Mapping[str, LocalSnapshot]
) -> None:
    upsert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(Account)
    # An update even where nothing changes: it locks the row, and with it the account's positions, for this import.
    lock = upsert.on_conflict_do_update(
        index_elements=[Account.account_id], set_={"account_id": upsert.excluded.account_id}
    )
    for batch in _batches(account_ids):
        connection.execute(lock, [{"account_id": account_id} for account_id in batch])
        connection.execute(delete(Position).where(Position.account_id.in_(batch)))
        upsert_rows(connection, Account, [_account_values(balances[name]) for name in batch if name in balances])


def _insert_positions(
    connection: Connection, path: Path, batch: Sequence[tuple[str, LocalPosition]], named: set[str]
) -> None:
    if any(account_id not in named for account_id, _ in batch):
        raise _changed(path)
    insert_rows(connection, Position, [_position_values(*row) for row in batch])


def _changed(path: Path) -> InvalidInputError:
    return InvalidInputError(f"{path} changed while it was imported; nothing was written, import it again")


def _account_values(balances: LocalSnapshot) -> dict[str, Any]:
    return {
        "account_id": balances.account_id,
        "cash": balances.cash,
        "equity": balances.equity,
        "currency": balances.currency,
        "cash_by_currency": {name: f"{cash:f}" for name, cash in balances.cash_by_currency.items()} or None,
        "as_of": balances.as_of,
    }


def _position_values(account_id: str, position: LocalPosition) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "symbol": position.symbol,
        "asset_type": position.asset_type,
        "quantity": position.quantity,
        "avg_cost": position.avg_cost,
        "currency": position.currency,
        "multiplier": position.multiplier,
        "identifiers": dict(position.identifiers) or None,
    }


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(rows)
    while batch := list(islice(source, ROWS_PER_BATCH)):
        yield batch
