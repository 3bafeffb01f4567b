"""Which figures of an account can be compared at all, and which cannot. Pure.

Cash is compared by currency where both sides split it, else as one figure; what only one side gives is not compared,
and said so. Totals in different currencies are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.model.models import Measure, NotCompared
from reconciliation.domain.model.snapshots import BrokerAccount, LocalSnapshot
from reconciliation.domain.model.values import exact_decimal, optional_decimal
from reconciliation.errors import InvalidInputError, UnusableFigureError

#: Less than half a cent in a currency is what interest and rounding leave behind, not money.
RESIDUE = Decimal("0.005")

Pair = tuple[Decimal, Decimal]


@dataclass(frozen=True, kw_only=True)
class Balances:
    """What of both sides can be compared."""

    cash_by_currency: Mapping[str, Pair]
    #: Cash as one figure; None where the currencies tell all of it, or a side has none.
    cash: Pair | None
    equity: Pair | None
    not_compared: tuple[NotCompared, ...]


def comparable_balances(local: LocalSnapshot, account: BrokerAccount) -> Balances:
    """Return what of both sides can be compared.

    Raises:
        UnusableFigureError: a figure is not a finite number.
    """
    local_side, broker = _split(local.cash_by_currency, "local"), _split(account.cash_by_currency, "broker")
    shared = {
        currency: (local_side[currency], broker[currency]) for currency in sorted(local_side.keys() & broker.keys())
    }
    lonely = _one_sided(local_side, broker) if shared else []
    against = _currency_conflict(local.currency, account.currency)
    cash, equity = (
        balance_pair(local.cash, account.cash, "cash"),
        balance_pair(local.equity, account.total_equity, "equity"),
    )
    skipped = [NotCompared(measure=Measure.CASH, currency=currency) for currency in lonely]
    if not shared and (cash is None or against):
        skipped.append(NotCompared(measure=Measure.CASH, reason=against))
    if equity is None or against:
        skipped.append(NotCompared(measure=Measure.EQUITY, reason=against))
    told_by_currency = shared and not lonely
    return Balances(
        cash_by_currency=shared,
        cash=None if told_by_currency or against else cash,
        equity=None if against else equity,
        not_compared=tuple(skipped),
    )


def _one_sided(local: Mapping[str, Decimal], broker: Mapping[str, Decimal]) -> list[str]:
    """Return the currencies that one side has alone, residues aside."""
    return [
        name
        for name in sorted(local.keys() ^ broker.keys())
        if abs(local.get(name, Decimal(0)) + broker.get(name, Decimal(0))) >= RESIDUE
    ]


def _split(amounts: Mapping[str, Decimal], side: str) -> dict[str, Decimal]:
    try:
        return {name.strip().upper(): exact_decimal(value, f"cash in {name}") for name, value in amounts.items()}
    except InvalidInputError as error:
        raise UnusableFigureError(side, str(error)) from None


def balance_pair(local_side: Decimal | None, broker_side: Decimal | None, name: str) -> Pair | None:
    """Return both sides of a figure; None where a side does not say.

    Raises:
        UnusableFigureError: it is not a finite number.
    """
    local, broker = _figure(local_side, "local", name), _figure(broker_side, "broker", name)
    return None if local is None or broker is None else (local, broker)


def _figure(value: Decimal | None, side: str, name: str) -> Decimal | None:
    try:
        return optional_decimal(value, name)
    except InvalidInputError as error:
        raise UnusableFigureError(side, str(error)) from None


def _currency_conflict(local: str | None, broker: str | None) -> str | None:
    """Return the words for two currencies that differ; None where they agree or one is not known."""
    if not local or not broker or local.strip().upper() == broker.strip().upper():
        return None
    return f"{local.strip().upper()} against {broker.strip().upper()}"
