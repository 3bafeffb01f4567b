"""The local book in the users' own tables, by configuration: `local = "table"` or `local = "query"`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from reconciliation.adapters.books.balances import BalanceRow, join_balances
from reconciliation.adapters.books.user_tables.database import UserDatabase
from reconciliation.adapters.books.user_tables.options import (
    ACCOUNT_NAMES,
    BALANCE_NAMES,
    Mode,
    Source,
    UserTables,
    parse_options,
)
from reconciliation.adapters.books.user_tables.query import SourceQuery
from reconciliation.adapters.books.user_tables.rows import UserRow
from reconciliation.domain.model.average_cost import positions_from_fills
from reconciliation.domain.model.snapshots import BookRow, LocalSnapshot
from reconciliation.errors import BadData, InvalidInputError, ReadError
from reconciliation.ports.local_book import LocalBook, PositionProvider, PreviewRow

#: Rows of each part that a preview shows.
PREVIEW_ROWS = 5

Converted = TypeVar("Converted")


class UserTablesBook(LocalBook, PositionProvider):
    """The users' own positions, and perhaps balances and accounts, all of one snapshot.

    Args:
        options: which tables or queries, and what their columns mean.
        url: of the users' database, for SQLAlchemy.

    Raises:
        ConfigurationError: the options or the URL cannot work as written.
    """

    def __init__(self, options: UserTables, url: str) -> None:
        self._options = options
        self._database = UserDatabase(url, options.statement_timeout_seconds)
        position = options.position_names
        self._positions = SourceQuery(
            "positions", options.positions, position, ("account_id", "symbol", "quantity", "asset_type")
        )
        self._balances = _query("balances", options.balances, BALANCE_NAMES)
        self._accounts = _query("accounts", options.accounts, ACCOUNT_NAMES)

    @classmethod
    def of(cls, mode: Mode, options: Mapping[str, Any], url: str) -> "UserTablesBook":
        """Make the book from options as they stand in the settings.

        Raises:
            ConfigurationError: the options or the URL cannot work as written.
        """
        return cls(parse_options(mode, options), url)

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        """Return an entry for each asked account, all of one moment.

        Raises:
            ReadError: the database cannot be read, or not in this way.
        """
        return await asyncio.to_thread(self.read, account_ids)

    def read(self, account_ids: Sequence[str]) -> dict[str, LocalSnapshot | ReadError]:
        """Return what `get_snapshots` does, in the calling thread."""
        with self._database.snapshot() as connection:
            positions = self._gather(connection, self._positions, account_ids, UserRow.position)
            balances = self._gather(connection, self._balances, account_ids, UserRow.balances)
            accounts = self._gather(connection, self._accounts, account_ids, lambda _row: None)
        return {
            account_id: self._answer(
                account_id, positions.get(account_id), balances.get(account_id), accounts.get(account_id)
            )
            for account_id in account_ids
        }

    def preview(self, account_id: str) -> list[PreviewRow]:
        """Return the first rows of each part, and what they became.

        Raises:
            ReadError: a table or query does not fit the options, or the database cannot be read.
        """
        sources = (
            (self._positions, UserRow.position),
            (self._balances, UserRow.balances),
            (self._accounts, lambda _row: account_id),
        )
        shown: list[PreviewRow] = []
        with self._database.snapshot() as connection:
            for source, convert in sources:
                if source is not None:
                    with closing(source.rows(connection, [account_id], PREVIEW_ROWS)) as rows:
                        shown += [_previewed(source.part, row, convert) for _, row in islice(rows, PREVIEW_ROWS)]
        return shown

    def close(self) -> None:
        self._database.close()

    def _gather(
        self,
        connection: Connection,
        source: SourceQuery | None,
        account_ids: Sequence[str],
        convert: Callable[[UserRow], Converted],
    ) -> dict[str, list[Converted] | BadData]:
        found: dict[str, list[Converted] | BadData] = {}
        cap = self._options.max_rows_per_account
        total = cap * len(account_ids)
        if source is None:
            return found
        with closing(source.rows(connection, account_ids, total + 1)) as stream:
            for number, (account_id, row) in enumerate(stream, start=1):
                if number > total:
                    raise BadData(f"local book, {source.part}: more than max_rows_per_account ({cap}) rows an account")
                rows = found.setdefault(account_id, [])
                if isinstance(rows, BadData):
                    continue
                if len(rows) == cap:
                    found[account_id] = _bad(source.part, account_id, f"more than max_rows_per_account ({cap}) rows")
                    continue
                try:
                    rows.append(convert(row))
                except InvalidInputError as error:
                    found[account_id] = _bad(source.part, account_id, f"row {len(rows) + 1}, {error}")
        return found

    def _answer(
        self,
        account_id: str,
        positions: list[BookRow] | BadData | None,
        balances: list[BalanceRow] | BadData | None,
        account: list[None] | BadData | None,
    ) -> LocalSnapshot | ReadError:
        for part in (positions, balances, account):
            if isinstance(part, BadData):
                return part
        if positions is balances is account is None and self._options.no_rows == "unknown":
            return _bad(
                "positions",
                account_id,
                "there is no row, which does not say flat: name `balances` or `accounts` that know the account, "
                'or set no_rows = "flat"',
            )
        rows = positions if isinstance(positions, list) else []
        known = balances if isinstance(balances, list) else []
        try:
            snapshot = join_balances(account_id, known)
        except InvalidInputError as error:
            return _bad("balances", account_id, str(error))
        return replace(
            snapshot,
            positions=positions_from_fills(rows) if self._options.positions.fills else rows,
            cash_split_is_whole=self._options.cash_split_is_whole,
        )


def _query(part: str, source: Source | None, known: Sequence[str]) -> SourceQuery | None:
    return None if source is None else SourceQuery(part, source, known, ("account_id",))


def _bad(part: str, account_id: str, why: str) -> BadData:
    return BadData(f"local book, {part} of account {account_id!r}: {why}", account_id=account_id)


def _previewed(part: str, row: UserRow, convert: Callable[[UserRow], Any]) -> PreviewRow:
    read = {row.column(name): value for name, value in row.values.items()}
    try:
        became = convert(row)
    except InvalidInputError as error:
        return PreviewRow(part=part, read=read, fault=str(error))
    if isinstance(became, BookRow):
        shown = became._asdict()
    else:
        shown = asdict(became) if isinstance(became, BalanceRow) else {"account_id": became}
    return PreviewRow(part=part, read=read, became={name: value for name, value in shown.items() if value})
