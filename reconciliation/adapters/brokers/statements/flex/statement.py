"""From the rows of one Flex statement to a statement: which rows count, and which would count twice. Pure."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from reconciliation.adapters.brokers.statements.flex.rows import CashRow, EquityRow, FlexRows, PositionRow
from reconciliation.adapters.brokers.statements.statement import Statement, add_up_positions
from reconciliation.adapters.brokers.statements.values import date_and_time
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import EXACT, exact_sum
from reconciliation.errors import InvalidInputError

_NO_POSITIONS = "the statement has no section OpenPositions: add Open Positions to the Flex query"


class _Dated(Protocol):
    @property
    def date(self) -> datetime | None: ...


Row = TypeVar("Row", bound=_Dated)


def conclude_statement(rows: FlexRows) -> Statement:
    """Return the statement that the rows of one `FlexStatement` make.

    Raises:
        InvalidInputError: rows that contradict or repeat each other.
    """
    if not rows.account_id:
        raise InvalidInputError("accountId is missing")
    as_of = date_and_time(rows.to_date, "toDate") if rows.to_date else _newest_date(rows.positions or [])
    account, notes = _account(rows, as_of)
    return Statement(
        account=account,
        positions=None if rows.positions is None else _positions(rows.positions),
        as_of=as_of,
        generated_at=date_and_time(rows.generated, "whenGenerated") if rows.generated else None,
        notes=tuple(notes),
        no_positions=_NO_POSITIONS,
    )


def _positions(rows: Sequence[PositionRow]) -> tuple[BrokerPosition, ...]:
    """Add up, per instrument, its summary rows or else its lots: never both."""
    current = _of_newest_date(rows)
    _refuse_repeated(
        (row.instrument for row in current if not row.is_lot), lambda key: f"two summary rows of position {key[1]}"
    )
    summarised = {row.instrument for row in current if not row.is_lot}
    in_lots = {row.instrument for row in current if row.is_lot}
    for row in current:
        if row.instrument in in_lots and row.level not in {"SUMMARY", "LOT"}:
            raise InvalidInputError(f"{row.position.symbol} has lots, and a row that is neither LOT nor SUMMARY")
    counted = (row.position for row in current if not row.is_lot or row.instrument not in summarised)
    return add_up_positions(counted)


def _account(rows: FlexRows, as_of: datetime | None) -> tuple[BrokerAccount, list[str]]:
    equity = _of_newest_date(rows.equity or [])
    _refuse_repeated((row.model for row in equity), lambda model: f"two equity rows of model {model!r} for one date")
    cash = _of_newest_date(rows.cash or [])
    _refuse_repeated(((row.currency, row.model) for row in cash), lambda key: f"two cash rows of {key[0]}")
    by_currency = _cash_by_currency(cash)
    currency = _base_currency(rows, equity, by_currency)
    total_cash, notes = _cash(cash, currency)
    account = BrokerAccount(
        rows.account_id,
        total_cash,
        None,
        exact_sum(row.total for row in equity) if equity else None,
        None,
        currency=currency,
        cash_by_currency=by_currency,
        cash_split_is_whole=bool(by_currency),
        as_of=as_of,
    )
    return account, notes


def _cash(rows: Sequence[CashRow], currency: str | None) -> tuple[Decimal | None, list[str]]:
    """Return the cash in base currency: the broker's own sum, or the only currency that there is."""
    base = [row.ending_cash for row in rows if row.is_base]
    if base:
        return exact_sum(base), []
    plain = {row.currency for row in rows}
    if not plain:
        return None, ["no cash: add the section Cash Report to the Flex query"]
    if plain == {currency}:
        return exact_sum(row.ending_cash for row in rows), []
    return None, [
        f"no cash total: {', '.join(sorted(plain))} without BASE_SUMMARY; add Base Summary to the Cash Report"
    ]


def _cash_by_currency(rows: Sequence[CashRow]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        if not row.is_base:
            sums[row.currency] = EXACT.add(sums.get(row.currency, Decimal(0)), row.ending_cash)
    return dict(sorted(sums.items()))


def _base_currency(rows: FlexRows, equity: Sequence[EquityRow], by_currency: dict[str, Decimal]) -> str | None:
    if equity and equity[0].currency:
        return equity[0].currency
    if rows.account_currency:
        return rows.account_currency
    currencies = {row.currency for row in rows.cash or [] if not row.is_base} or set(by_currency)
    return currencies.pop() if len(currencies) == 1 else None


def _of_newest_date(rows: Sequence[Row]) -> list[Row]:
    newest = _newest_date(rows)
    return [row for row in rows if row.date in (None, newest)]


def _newest_date(rows: Iterable[_Dated]) -> datetime | None:
    return max((row.date for row in rows if row.date is not None), default=None)


def _refuse_repeated(keys: Iterable[Hashable], name: Callable[[Any], str]) -> None:
    seen: set[Hashable] = set()
    for key in keys:
        if key in seen:
            raise InvalidInputError(f"{name(key)}: whether they are one or add up is unclear")
        seen.add(key)
