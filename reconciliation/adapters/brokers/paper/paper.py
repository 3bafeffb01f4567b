"""A broker without a market: accounts held in memory or in a JSON file, for tests, demos and rehearsals."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from time import monotonic
from typing import Any

from reconciliation.adapters.brokers.paper.accounts_file import PaperFile, parse_accounts
from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.domain.comparison.lots import sum_of_lots
from reconciliation.domain.model.average_cost import after_fill, shown_cost
from reconciliation.domain.model.models import AssetType, OrderFill, OrderSide
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.domain.model.values import EXACT, exact_sum
from reconciliation.errors import BadData, InvalidInputError, ReadError
from reconciliation.ports.broker import BrokerQuery, SnapshotBroker

#: An account that was never set.
DEFAULT_CASH = Decimal("100000.00")
DEFAULT_BUYING_POWER = Decimal("200000.00")


@dataclass
class _Book:
    """One account as the broker sees it now, and the fills that it does not show yet."""

    account: BrokerAccount
    positions: list[BrokerPosition] = field(default_factory=list)
    #: (visible from, by the broker's clock; fill; asset type; multiplier)
    pending: list[tuple[float, OrderFill, AssetType, Decimal]] = field(default_factory=list)


class PaperBroker(SnapshotBroker):
    """A broker that answers what was set.

    Args:
        fill_delay: seconds until a fill given to `apply_fill` shows in positions and cash.
        answer_delay: seconds that each answer takes, to rehearse a slow broker.
        clock: tells seconds; only for the two delays.
        any_account: whether an account that was never set has the default balances, or is refused.
    """

    def __init__(
        self,
        fill_delay: float = 0.0,
        *,
        answer_delay: float = 0.0,
        clock: Callable[[], float] = monotonic,
        any_account: bool = True,
    ) -> None:
        for name, seconds in (("fill_delay", fill_delay), ("answer_delay", answer_delay)):
            if not seconds >= 0:
                raise InvalidInputError(f"{name} is {seconds!r}: it must not be negative")
        self.fill_delay = fill_delay
        self.answer_delay = answer_delay
        self._clock = clock
        self._any_account = any_account
        self._books: dict[str, _Book] = {}
        self._errors: dict[str, ReadError] = {}

    def add_position(  # noqa: PLR0917 - callers pass these by position
        self,
        account_id: str,
        symbol: str,
        quantity: Decimal | int | str,
        avg_cost: Decimal | int | str | None,
        market_value: Decimal | int | str | None,
        asset_type: AssetType = AssetType.STOCK,
    ) -> None:
        """Add one row. A second row of the same symbol is a lot: both count."""
        # BrokerPosition makes exact Decimals of what it is given.
        row: tuple[Any, ...] = (symbol, quantity, avg_cost, market_value, asset_type)
        self._book(account_id).positions.append(BrokerPosition(*row))

    def set_positions(self, account_id: str, positions: Sequence[BrokerPosition]) -> None:
        """Replace every row of the account; an empty sequence makes it flat."""
        self._book(account_id).positions = list(positions)

    def set_account(
        self,
        account_id: str,
        cash: Decimal | int | str | None,
        buying_power: Decimal | int | str | None,
        total_equity: Decimal | int | str | None,
        margin_used: Decimal | int | str | None,
    ) -> None:
        """Set the account's balances; None means that the broker does not say."""
        figures: tuple[Any, ...] = (cash, buying_power, total_equity, margin_used)
        self._book(account_id).account = BrokerAccount(account_id, *figures)

    def set_error(self, account_id: str, error: ReadError | None) -> None:
        """Make every answer for the account fail with `error`, until None takes it away."""
        if error is None:
            self._errors.pop(account_id, None)
        else:
            self._errors[account_id] = error

    def apply_fill(
        self,
        account_id: str,
        fill: OrderFill,
        *,
        asset_type: AssetType = AssetType.STOCK,
        multiplier: Decimal | int = 1,
    ) -> None:
        """Book a fill: it shows in quantity, average cost and cash `fill_delay` seconds from now, not before."""
        visible_at = self._clock() + self.fill_delay
        self._book(account_id).pending.append((visible_at, fill, asset_type, Decimal(multiplier)))

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        if self.answer_delay:
            await asyncio.sleep(self.answer_delay)
        return {account_id: self._read(account_id) for account_id in account_ids}

    def _read(self, account_id: str) -> BrokerSnapshot | ReadError:
        if account_id in self._errors:
            return self._errors[account_id]
        if not self._any_account and account_id not in self._books:
            return BadData(
                f"the paper broker has no account {account_id!r}: add it to its options or its file",
                account_id=account_id,
            )
        book = self._book(account_id)
        self._settle(book)
        positions = [replace(row, avg_cost=shown_cost(row.avg_cost)) for row in book.positions]
        return BrokerSnapshot(account=book.account, positions=positions)

    def _book(self, account_id: str) -> _Book:
        if account_id not in self._books:
            account = BrokerAccount(account_id, DEFAULT_CASH, DEFAULT_BUYING_POWER, DEFAULT_CASH, Decimal(0))
            self._books[account_id] = _Book(account)
        return self._books[account_id]

    def _settle(self, book: _Book) -> None:
        now = self._clock()
        due = [entry for entry in book.pending if entry[0] <= now]
        book.pending = [entry for entry in book.pending if entry[0] > now]
        for _, fill, asset_type, multiplier in due:
            _book_fill(book, fill, asset_type, multiplier)


class PaperFileBroker(SnapshotBroker):
    """A paper broker whose accounts stand in a JSON file, read again whenever the file has changed."""

    def __init__(self, file: PaperFile, *, answer_delay: float = 0.0) -> None:
        self._file = file
        self._answer_delay = answer_delay

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        return await (await self._current()).get_snapshots(account_ids)

    async def _current(self) -> PaperBroker:
        accounts = await asyncio.to_thread(self._file.read)
        return _filled(PaperBroker(answer_delay=self._answer_delay, any_account=False), accounts)


def open_paper(raw_options: Mapping[str, Any], secrets: Mapping[str, str]) -> BrokerQuery:
    """Return the paper broker of these options: `accounts` inline, or `file`. Any other account is refused.

    With `any_account` it answers for every account: flat, with the default balances.
    """
    del secrets
    options = BrokerOptions("paper", raw_options)
    answer_delay = float(options.number("answer_delay_seconds", 0))
    fill_delay = float(options.number("fill_delay_seconds", 0))
    accounts = parse_accounts(options.table("accounts"), "option 'accounts'") if options.has("accounts") else {}
    any_account = options.flag("any_account", default=False)
    path = options.path("file") if options.has("file") else None
    options.check_all_read()
    if path is None:
        broker = PaperBroker(fill_delay, answer_delay=answer_delay, any_account=any_account)
        return _filled(broker, accounts)
    for name, given in (("accounts", accounts), ("any_account", any_account)):
        if given:
            raise options.wrong(name, "left out when 'file' is given")
    return PaperFileBroker(PaperFile(path), answer_delay=answer_delay)


def _filled(broker: PaperBroker, accounts: Mapping[str, BrokerSnapshot | ReadError]) -> PaperBroker:
    for account_id, content in accounts.items():
        if isinstance(content, ReadError):
            broker.set_error(account_id, content)
            continue
        account = content.account
        broker.set_account(account_id, account.cash, account.buying_power, account.total_equity, account.margin_used)
        broker.set_positions(account_id, content.positions)
    return broker


def _book_fill(book: _Book, fill: OrderFill, asset_type: AssetType, multiplier: Decimal) -> None:
    signed = fill.quantity if OrderSide(fill.side) is OrderSide.BUY else -fill.quantity
    value = EXACT.multiply(EXACT.multiply(signed, fill.price), multiplier)
    of_key = [row for row in book.positions if (row.symbol, row.asset_type) == (fill.symbol, asset_type)]
    filled = _after_fill(of_key, signed, fill.price, value) or BrokerPosition(
        fill.symbol, signed, fill.price, value, asset_type
    )
    book.positions = [row for row in book.positions if row not in of_key]
    if filled.quantity:
        book.positions.append(filled)
    if book.account.cash is not None:
        # Equity stays: the shares came for the money, at the price they are marked at.
        book.account = replace(book.account, cash=EXACT.subtract(book.account.cash, value))


def _after_fill(
    lots: Sequence[BrokerPosition], signed: Decimal, price: Decimal, value: Decimal
) -> BrokerPosition | None:
    """Return the lots of one key as one row, with the fill in it; None where there is no lot."""
    if not lots:
        return None
    held = sum_of_lots([(row.quantity, row.avg_cost) for row in lots])
    quantity, cost = after_fill(held, signed, price)
    values = [row.market_value for row in lots if row.market_value is not None]
    market_value = exact_sum((*values, value)) if len(values) == len(lots) else None
    return replace(lots[0], quantity=quantity, avg_cost=cost, market_value=market_value)
