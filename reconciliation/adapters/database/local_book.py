"""The default local book: our own tables, read for many accounts in two queries of one snapshot."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, String, select, type_coerce

from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow, LocalSnapshot
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import BadData, InvalidInputError, ReadError, StorageError, Unavailable
from reconciliation.ports.local_book import LocalBook, PositionProvider

#: Accounts named in one query; both databases take many more bound values.
ACCOUNTS_PER_QUERY = 5_000

_KINDS: Mapping[str, AssetType] = {kind.value: kind for kind in AssetType}

_ACCOUNTS = select(
    Account.account_id, Account.cash, Account.equity, Account.currency, Account.cash_by_currency, Account.as_of
)

_POSITIONS = select(
    Position.account_id,
    Position.symbol,
    Position.quantity,
    Position.avg_cost,
    type_coerce(Position.asset_type, String),  # an unknown kind must fail its account only
    Position.currency,
    Position.multiplier,
    Position.identifiers,
)


class SqlBook(LocalBook, PositionProvider):
    """The local book in our own tables (`Account`, `Position`).

    An account without a row is not known, which is an error; a row without positions says "certainly flat".
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        """Return an entry for each asked account, all of one moment.

        Raises:
            Unavailable: the database cannot be read.
        """
        return await asyncio.to_thread(self.read, account_ids)

    def read(self, account_ids: Sequence[str]) -> dict[str, LocalSnapshot | ReadError]:
        """Return what `get_snapshots` does, in the calling thread."""
        answers: dict[str, LocalSnapshot | ReadError] = {}
        try:
            with read_transaction(self._engine) as connection:
                for start in range(0, len(account_ids), ACCOUNTS_PER_QUERY):
                    answers.update(_read_chunk(connection, account_ids[start : start + ACCOUNTS_PER_QUERY]))
        except StorageError as error:
            raise Unavailable(str(error)) from error
        for account_id in account_ids:
            if account_id not in answers:
                answers[account_id] = BadData(
                    f"account {account_id!r} is not in the local book: load it with `reconcile import`",
                    account_id=account_id,
                )
        return answers


def _read_chunk(connection: Connection, account_ids: Sequence[str]) -> Iterator[tuple[str, LocalSnapshot | ReadError]]:
    accounts = connection.execute(_ACCOUNTS.where(is_among(Account.account_id, account_ids, connection))).all()
    positions, faults = _read_positions(connection, account_ids)
    for account in accounts:
        account_id = account.account_id
        try:
            answer = faults.get(account_id) or _snapshot(account, positions[account_id])
        except InvalidInputError as error:
            answer = _bad(account_id, str(error))
        yield account_id, answer


def _read_positions(
    connection: Connection, account_ids: Sequence[str]
) -> tuple[Mapping[str, list[BookRow]], dict[str, ReadError]]:
    positions: defaultdict[str, list[BookRow]] = defaultdict(list)
    faults: dict[str, ReadError] = {}
    rows = connection.execute(_POSITIONS.where(is_among(Position.account_id, account_ids, connection))).all()
    for account_id, symbol, quantity, avg_cost, kind, currency, multiplier, identifiers in rows:
        asset_type = _KINDS.get(kind)
        if asset_type is None:
            known = ", ".join(_KINDS)
            faults[account_id] = _bad(account_id, f"position {symbol!r}: {kind!r} is not an asset type ({known})")
            continue
        row = BookRow(symbol, quantity, avg_cost, asset_type, currency, multiplier, identifiers or {})
        positions[account_id].append(row)
    return positions, faults


def _bad(account_id: str, why: str) -> BadData:
    return BadData(f"the local book of {account_id!r}: {why}", account_id=account_id)


def _snapshot(account: Any, positions: Sequence[BookRow]) -> LocalSnapshot:
    return LocalSnapshot(
        account_id=account.account_id,
        positions=positions,
        cash=account.cash,
        equity=account.equity,
        currency=account.currency,
        cash_by_currency={
            name: exact_decimal(amount, f"cash in {name}") for name, amount in (account.cash_by_currency or {}).items()
        },
        as_of=account.as_of,
    )
