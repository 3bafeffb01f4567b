"""What both sides say of one measure, whether they differ or not. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from reconciliation.domain.comparison.lots import sum_of_lots
from reconciliation.domain.model.models import AssetType, Measure
from reconciliation.domain.model.snapshots import BrokerPosition, BrokerSnapshot, LocalSnapshot, PositionLike

Values = tuple[Decimal | None, Decimal | None]


def position_values(
    local: LocalSnapshot, broker: BrokerSnapshot, measure: Measure, symbol: str, asset_type: AssetType | None
) -> Values:
    """Return the local and the broker's quantity or cost of one position; None where a side has none."""
    place = 0 if measure is Measure.QUANTITY else 1
    sides = (_lots(local.positions, symbol, asset_type), _lots(broker.positions, symbol, asset_type))
    local_value, broker_value = (sum_of_lots(lots)[place] if lots else None for lots in sides)
    return local_value, broker_value


def balance_values(local: LocalSnapshot, broker: BrokerSnapshot, measure: Measure, currency: str | None) -> Values:
    """Return the local and the broker's cash, of one currency or of all, or equity; None where a side says nothing."""
    if measure is Measure.EQUITY:
        return local.equity, broker.account.total_equity
    if currency is None:
        return local.cash, broker.account.cash
    return local.cash_by_currency.get(currency), broker.account.cash_by_currency.get(currency)


def _lots(
    rows: Iterable[PositionLike | BrokerPosition], symbol: str, asset_type: AssetType | None
) -> list[tuple[Decimal, Decimal | None]]:
    return [(row.quantity, row.avg_cost) for row in rows if row.symbol == symbol and row.asset_type == asset_type]
