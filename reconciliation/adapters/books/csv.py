"""A local book in CSV files: `account_id,symbol,asset_type,quantity,avg_cost` and `account_id,cash,equity`.

More columns that are understood: positions `side` (for quantities without a sign), `currency`, `multiplier` and the
identifiers `isin`, `cusip`, `figi`, `conid`; balances `currency`. An empty avg_cost, cash or equity is "not kept".
Several rows of one position are lots. A balances file with several rows for an account, each in its own currency, gives
its cash by currency.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from os import PathLike
from pathlib import Path

from reconciliation.adapters.books.balances import BalanceRow, join_balances
from reconciliation.adapters.books.csv_table import CsvRow, read_rows
from reconciliation.adapters.books.sides import LONG_WORDS, SHORT_WORDS, signed
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import LocalPosition, LocalSnapshot
from reconciliation.errors import BadData, InvalidInputError, ReadError
from reconciliation.ports.local_book import LocalBook, PositionProvider

POSITION_COLUMNS = ("account_id", "symbol", "asset_type", "quantity", "avg_cost")
BALANCE_COLUMNS = ("account_id", "cash", "equity")

#: Reads the accounts of a file of positions in another shape.
ReadAccounts = Callable[[Path], Mapping[str, LocalSnapshot]]


class CsvBook(LocalBook, PositionProvider):
    """The local book in CSV files, read again at each call.

    An account that neither file names is not known, which is an error; one in the balances file only is flat.
    """

    def __init__(
        self,
        positions_path: str | PathLike[str],
        balances_path: str | PathLike[str] | None = None,
        *,
        cash_split_is_whole: bool = False,
        read_accounts: ReadAccounts | None = None,
    ) -> None:
        self._positions_path = Path(positions_path)
        self._read_accounts = read_accounts
        self._cash_split_is_whole = cash_split_is_whole
        self._balances_path = None if balances_path is None else Path(balances_path)

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        """Return an entry for each asked account.

        Raises:
            BadData: a file is not as it should be; the message names file, line and column.
        """
        try:
            book = await asyncio.to_thread(self.read)
        except InvalidInputError as error:
            raise BadData(str(error)) from error
        return {account_id: book.get(account_id) or self._unknown(account_id) for account_id in account_ids}

    def read(self) -> dict[str, LocalSnapshot]:
        """Return the whole book by account, in the calling thread.

        Raises:
            InvalidInputError: a file is not as it should be; the message names file, line and column.
        """
        book = read_book(self._positions_path, self._balances_path, self._read_accounts)
        if not self._cash_split_is_whole:
            return book
        return {account_id: replace(each, cash_split_is_whole=True) for account_id, each in book.items()}

    def _unknown(self, account_id: str) -> BadData:
        files = " and ".join(str(path) for path in (self._positions_path, self._balances_path) if path)
        message = f"account {account_id!r} is not in {files}: a flat account needs a row in a balances file"
        return BadData(message, account_id=account_id)


def read_book(
    positions_path: Path, balances_path: Path | None = None, read_accounts: ReadAccounts | None = None
) -> dict[str, LocalSnapshot]:
    """Return the book of the given files by account, in the order of the files.

    Args:
        positions_path: the file of positions.
        balances_path: the file of balances; what it says of an account goes before what `read_accounts` found.
        read_accounts: reads the file of positions where it has not our columns.

    Raises:
        InvalidInputError: a file is not as it should be; the message names file, line and column.
        ReadError: the same of a file that `read_accounts` reads.
    """
    book = dict((read_accounts or _read_accounts)(positions_path))
    balances = {} if balances_path is None else read_balances(balances_path)
    for account_id, known in balances.items():
        book[account_id] = replace(known, positions=book[account_id].positions if account_id in book else [])
    return book


def _read_accounts(positions_path: Path) -> dict[str, LocalSnapshot]:
    positions: dict[str, list[LocalPosition]] = {}
    for account_id, position in read_positions(positions_path):
        positions.setdefault(account_id, []).append(position)
    return {account_id: LocalSnapshot(account_id=account_id, positions=rows) for account_id, rows in positions.items()}


def read_positions(path: Path) -> Iterator[tuple[str, LocalPosition]]:
    """Yield the rows of a positions file, each with its account id, in the order of the file.

    Raises:
        InvalidInputError: the file is not as it should be; the message names file, line and column.
    """
    for row in read_rows(path, POSITION_COLUMNS):
        yield row.text("account_id"), _position(row)


def read_balances(path: Path) -> dict[str, LocalSnapshot]:
    """Return the balances of a balances file by account, as snapshots without positions.

    Raises:
        InvalidInputError: the file is not as it should be; the message names file, line and column.
    """
    rows_by_account: dict[str, list[BalanceRow]] = {}
    for row in read_rows(path, BALANCE_COLUMNS):
        rows_by_account.setdefault(row.text("account_id"), []).append(_balance_row(row))
    return {account_id: join_balances(account_id, rows) for account_id, rows in rows_by_account.items()}


def _position(row: CsvRow) -> LocalPosition:
    kind = row.text("asset_type").lower()
    if kind not in AssetType.__members__.values():
        raise row.fault("asset_type", f"{kind!r} is not one of {', '.join(AssetType)}")
    return LocalPosition(
        symbol=row.text("symbol"),
        quantity=_signed(row),
        avg_cost=row.optional_number("avg_cost"),
        asset_type=AssetType(kind),
        currency=row.optional_text("currency"),
        multiplier=row.optional_number("multiplier"),
        identifiers={name: value for name in STRONG_IDENTIFIERS if (value := row.optional_text(name))},
    )


def _signed(row: CsvRow) -> Decimal:
    """Return the quantity; a file with a column `side` has quantities without a sign."""
    quantity = row.number("quantity")
    if "side" not in row.values:
        return quantity
    if quantity < 0:
        raise row.fault("quantity", f"{quantity} has a sign, and so has the side column: one of them is wrong")
    side = row.text("side")
    found = signed(quantity, side)
    if found is None:
        known = ", ".join((*LONG_WORDS, *SHORT_WORDS))
        raise row.fault("side", f"{side!r} is none of the words for long and short: {known}")
    return found


def _balance_row(row: CsvRow) -> BalanceRow:
    return BalanceRow(
        cash=row.optional_number("cash"),
        equity=row.optional_number("equity"),
        currency=row.optional_text("currency"),
        place=f"{row.path}, line {row.line}",
    )
