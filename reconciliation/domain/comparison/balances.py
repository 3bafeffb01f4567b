"""Which balances of an account can be compared, and which cannot. Pure.

Cash is compared by currency where both sides split it, else as one number. A currency that a side does not name is zero
there if the side says that its split is whole. Otherwise it is not compared, and the result says so. Totals in
different currencies are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.model.models import Measure, NotCompared
from reconciliation.domain.model.snapshots import BrokerAccount, LocalSnapshot
from reconciliation.domain.model.values import EXACT, exact_decimal, optional_decimal
from reconciliation.errors import InvalidInputError, UnusableValueError

#: Less than half a cent in a currency is what interest and rounding leave behind, not money.
RESIDUE = Decimal("0.005")

Pair = tuple[Decimal, Decimal]


@dataclass(frozen=True, kw_only=True)
class Balances:
    """The balances that can be compared, as pairs of local and broker value."""

    cash_by_currency: Mapping[str, Pair]
    #: Cash as one number; None where the currencies cover all of it, or a side does not give it.
    cash: Pair | None
    equity: Pair | None
    not_compared: tuple[NotCompared, ...]


def comparable_balances(local: LocalSnapshot, account: BrokerAccount) -> Balances:
    """Return the balances that can be compared, and what cannot.

    Raises:
        UnusableValueError: a number is not finite.
    """
    local_side, broker_side = _splits(local, account)
    shared = {
        currency: (local_side[currency], broker_side[currency])
        for currency in sorted(local_side.keys() & broker_side.keys())
    }
    one_sided = _one_sided(local_side, broker_side) if shared else []
    conflict = _currency_conflict(local.currency, account.currency)
    cash, equity = (
        balance_pair(local.cash, account.cash, "cash"),
        balance_pair(local.equity, account.total_equity, "equity"),
    )
    skipped = [NotCompared(measure=Measure.CASH, currency=currency) for currency in one_sided]
    if not shared and (cash is None or conflict):
        skipped.append(NotCompared(measure=Measure.CASH, reason=conflict))
    if equity is None or conflict:
        skipped.append(NotCompared(measure=Measure.EQUITY, reason=conflict))
    all_by_currency = shared and not one_sided
    return Balances(
        cash_by_currency=shared,
        cash=None if all_by_currency or conflict else cash,
        equity=None if conflict else equity,
        not_compared=tuple(skipped),
    )


def _one_sided(local: Mapping[str, Decimal], broker: Mapping[str, Decimal]) -> list[str]:
    """Return the currencies that only one side has; residues do not count."""
    return [
        name
        for name in sorted(local.keys() ^ broker.keys())
        if abs(local.get(name, Decimal(0)) + broker.get(name, Decimal(0))) >= RESIDUE
    ]


def _splits(local: LocalSnapshot, account: BrokerAccount) -> tuple[Mapping[str, Decimal], Mapping[str, Decimal]]:
    """Return both splits; a side that splits all its cash has zero of the currencies that only the other side names."""
    local_side = _split(local.cash_by_currency, "local")
    broker_side = _split(account.cash_by_currency, "broker")
    if local.cash_split_is_whole:
        local_side = dict.fromkeys(broker_side, Decimal(0)) | local_side
    if account.cash_split_is_whole:
        broker_side = dict.fromkeys(local_side, Decimal(0)) | broker_side
    return local_side, broker_side


def _split(amounts: Mapping[str, Decimal], side: str) -> dict[str, Decimal]:
    split: dict[str, Decimal] = {}
    try:
        for name, value in amounts.items():
            currency = name.strip().upper()
            split[currency] = EXACT.add(split.get(currency, Decimal(0)), exact_decimal(value, f"cash in {name}"))
    except InvalidInputError as error:
        raise UnusableValueError(side, str(error)) from None
    return split


def balance_pair(local_side: Decimal | None, broker_side: Decimal | None, name: str) -> Pair | None:
    """Return both sides of a balance; None where a side does not give it.

    Raises:
        UnusableValueError: a side is not a finite number.
    """
    local, broker = _number(local_side, "local", name), _number(broker_side, "broker", name)
    return None if local is None or broker is None else (local, broker)


def _number(value: Decimal | None, side: str, name: str) -> Decimal | None:
    try:
        return optional_decimal(value, name)
    except InvalidInputError as error:
        raise UnusableValueError(side, str(error)) from None


def _currency_conflict(local: str | None, broker: str | None) -> str | None:
    """Return the words for two currencies that differ; None where they agree or one is not known."""
    if not local or not broker or local.strip().upper() == broker.strip().upper():
        return None
    return f"{local.strip().upper()} against {broker.strip().upper()}"
