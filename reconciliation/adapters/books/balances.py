"""The balances of an account from the rows of a source: one row, or one for each currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True, slots=True)
class BalanceRow:
    """One row of cash and equity. None is "not kept"."""

    cash: Decimal | None
    equity: Decimal | None
    currency: str | None
    #: The place of the row, for errors.
    place: str


def join_balances(account_id: str, rows: Sequence[BalanceRow]) -> LocalSnapshot:
    """Return the balances as a snapshot without positions.

    Amounts in several currencies don't add up to one cash; equity is one amount, in the currency of its row.

    Raises:
        InvalidInputError: rows contradict each other; the message names their places.
    """
    by_currency: dict[str | None, BalanceRow] = {}
    for row in rows:
        other = by_currency.setdefault(row.currency, row)
        if other is not row or (len(by_currency) > 1 and None in by_currency):
            first = next(iter(by_currency.values()))
            raise InvalidInputError(
                f"{row.place}: account {account_id!r} has balances already ({first.place}); "
                "several rows of an account need a currency each"
            )
    with_equity = [row for row in rows if row.equity is not None]
    if len(with_equity) > 1:
        raise InvalidInputError(
            f"{with_equity[1].place}: account {account_id!r} has an equity already ({with_equity[0].place})"
        )
    main = rows[0] if len(rows) == 1 else next(iter(with_equity), None)
    return LocalSnapshot(
        account_id=account_id,
        positions=(),
        cash=main.cash if main and len(rows) == 1 else None,
        equity=main.equity if main else None,
        currency=main.currency if main else None,
        cash_by_currency={row.currency: row.cash for row in rows if row.currency and row.cash is not None},
    )
