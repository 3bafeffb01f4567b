"""The comparison of two books: pure, no I/O, no clock of its own, no logging.

Positions are keyed by symbol and asset type, and the lots of one key are one holding; zero is flat. Quantity and cost
are compared separately. Tolerances are data, inclusive. Equity is compared in percent of the absolute local equity.
Findings are sorted. What a side does not give is not compared, and the result says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from reconciliation.domain.comparison.balances import Balances, balance_pair, comparable_balances
from reconciliation.domain.comparison.lots import Lot, gross_quantity, has_opposite_legs, sum_of_lots
from reconciliation.domain.model.instruments import PositionKey
from reconciliation.domain.model.models import (
    DISCREPANCY_TRAITS,
    AssetType,
    Discrepancy,
    DiscrepancyType,
    Measure,
    NotCompared,
    ReconciliationConfig,
)
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalSnapshot,
    PositionLike,
)
from reconciliation.domain.model.tolerance import ToleranceTable, within_percent
from reconciliation.domain.model.values import EXACT, exact_decimal, optional_decimal
from reconciliation.errors import UnusableValueError


@dataclass(frozen=True, slots=True)
class _Holding:
    """All rows of one key as one."""

    quantity: Decimal
    avg_cost: Decimal | None


_FLAT = _Holding(Decimal(0), None)
#: A single row as it came, or several of one key as one.
_Row = PositionLike | BrokerPosition | _Holding
_Pair = tuple[PositionKey, _Row | None, _Row | None]


@dataclass(frozen=True, slots=True)
class _Side:
    """The rows of one side by key."""

    rows: dict[PositionKey, _Row]
    #: Long plus short, for keys that have both.
    gross: dict[PositionKey, Decimal]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The outcome of comparing two snapshots."""

    discrepancies: list[Discrepancy]
    positions_checked: int
    not_compared: tuple[NotCompared, ...]


class Comparator:
    """Compares the local book of one account with its broker's.

    Args:
        config: account and tolerances; read at each call, so a change is followed at once.
        now: gives the timestamp of the findings.
    """

    def __init__(
        self, config: ReconciliationConfig, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._config = config
        self._now = now

    def compare(self, local: LocalSnapshot, broker: BrokerSnapshot) -> Comparison:
        """Compare everything that both snapshots hold.

        Raises:
            UnusableValueError: a number of either side is not finite.
        """
        local_side, broker_side = _index(local.positions, "local"), _index(broker.positions, "broker")
        differing, checked = _differing(local_side.rows, broker_side.rows)
        balances = comparable_balances(local, broker.account)
        return Comparison(
            discrepancies=self._judge(differing, local_side, broker_side) + self._judge_balances(balances),
            positions_checked=checked,
            not_compared=balances.not_compared + _costs_not_compared(local_side.rows, broker_side.rows),
        )

    def compare_positions(self, local: Iterable[PositionLike], broker: Iterable[BrokerPosition]) -> list[Discrepancy]:
        """Return the findings of the positions, sorted by symbol, asset type and type of finding.

        Raises:
            UnusableValueError: a quantity or cost of either side is not finite.
        """
        local_side, broker_side = _index(local, "local"), _index(broker, "broker")
        differing, _ = _differing(local_side.rows, broker_side.rows)
        return self._judge(differing, local_side, broker_side)

    def compare_account(
        self, local_cash: Decimal | None, local_equity: Decimal | None, broker_account: BrokerAccount
    ) -> list[Discrepancy]:
        """Return the findings of cash and equity. None on either side is not compared.

        Raises:
            UnusableValueError: a number is not finite.
        """
        cash = balance_pair(local_cash, broker_account.cash, "cash")
        equity = balance_pair(local_equity, broker_account.total_equity, "equity")
        return self._judge_balances(Balances(cash_by_currency={}, cash=cash, equity=equity, not_compared=()))

    def _judge_balances(self, balances: Balances) -> list[Discrepancy]:
        findings = [
            replace(self._finding(DiscrepancyType.CASH_MISMATCH, None, *pair), currency=currency)
            for currency, pair in balances.cash_by_currency.items()
            if self._cash_differs(*pair)
        ]
        # A total that differs because one of its currencies does would report the same difference twice.
        if not findings and balances.cash is not None and self._cash_differs(*balances.cash):
            findings.append(self._finding(DiscrepancyType.CASH_MISMATCH, None, *balances.cash))
        if balances.equity is not None and not within_percent(*balances.equity, self._config.equity_tolerance_pct):
            findings.append(self._finding(DiscrepancyType.EQUITY_MISMATCH, None, *balances.equity))
        return findings

    def _cash_differs(self, local: Decimal, broker: Decimal) -> bool:
        return EXACT.abs(EXACT.subtract(local, broker)) > self._config.cash_tolerance

    def _judge(self, differing: list[_Pair], local_side: _Side, broker_side: _Side) -> list[Discrepancy]:
        with_legs = local_side.gross.keys() & broker_side.gross.keys()
        if not differing and not with_legs:
            return []
        tolerances = ToleranceTable(self._config.account_id, self._config.tolerances)
        findings: list[Discrepancy] = []
        for key, local_row, broker_row in differing:
            local, broker = _holding(key, local_row, "local"), _holding(key, broker_row, "broker")
            if local and broker:
                findings.extend(self._mismatches(key, local, broker, tolerances))
            elif local:
                findings.append(self._finding(DiscrepancyType.MISSING_BROKER, key, local.quantity, None))
            elif broker:
                findings.append(self._finding(DiscrepancyType.MISSING_LOCAL, key, None, broker.quantity))
        for key in with_legs:
            net = (local_side.rows[key].quantity, broker_side.rows[key].quantity)
            gross = (local_side.gross[key], broker_side.gross[key])
            tolerance = tolerances.quantity(*key)
            if tolerance.covers(*net) and not tolerance.covers(*gross):
                found = self._finding(DiscrepancyType.QUANTITY_MISMATCH, key, *gross)
                findings.append(replace(found, is_gross=True))
        findings.sort(key=lambda found: (found.symbol or "", found.asset_type or "", found.type.value))
        return findings

    def _mismatches(
        self, key: PositionKey, local: _Holding, broker: _Holding, tolerances: ToleranceTable
    ) -> Iterator[Discrepancy]:
        if not tolerances.quantity(*key).covers(local.quantity, broker.quantity):
            yield self._finding(DiscrepancyType.QUANTITY_MISMATCH, key, local.quantity, broker.quantity)
        if local.avg_cost is None or broker.avg_cost is None:
            return
        if not tolerances.cost(*key).covers(local.avg_cost, broker.avg_cost):
            yield self._finding(DiscrepancyType.COST_MISMATCH, key, local.avg_cost, broker.avg_cost)

    def _finding(
        self, kind: DiscrepancyType, key: PositionKey | None, local: Decimal | None, broker: Decimal | None
    ) -> Discrepancy:
        symbol, asset_type = (None, None) if key is None else (key[0], AssetType(key[1]))
        return Discrepancy(
            type=kind,
            severity=DISCREPANCY_TRAITS[kind].severity,
            symbol=symbol,
            local_value=local,
            broker_value=broker,
            timestamp=self._now(),
            account_id=self._config.account_id,
            asset_type=asset_type,
        )


def _index(rows: Iterable[PositionLike | BrokerPosition], side: str) -> _Side:
    """Return the rows by key, the lots of one key as one row. Nothing is checked yet: most rows agree as they are."""
    rows = list(rows)
    try:
        index: dict[PositionKey, _Row] = {(row.symbol, row.asset_type): row for row in rows}
    except (AttributeError, TypeError) as error:
        raise UnusableValueError(side, f"position: {error}") from None
    if len(index) == len(rows):
        return _Side(rows=index, gross={})
    lots: dict[PositionKey, list[Lot]] = {}
    for row in rows:
        key = (row.symbol, row.asset_type)
        holding = _holding(key, row, side) or _FLAT
        lots.setdefault(key, []).append((holding.quantity, holding.avg_cost))
    return _Side(
        rows={key: _Holding(*sum_of_lots(each)) for key, each in lots.items()},
        gross={key: gross_quantity(each) for key, each in lots.items() if has_opposite_legs(each)},
    )


def _differing(local: Mapping[PositionKey, _Row], broker: Mapping[PositionKey, _Row]) -> tuple[list[_Pair], int]:
    """Return the keys whose rows are not plainly equal, with both rows, and how many keys are not flat."""
    try:
        return _walk(local, broker)
    except InvalidOperation:  # a signalling NaN cannot even be compared; find its row
        for side, rows in (("local", local), ("broker", broker)):
            for key, row in rows.items():
                _holding(key, row, side)
        raise


def _walk(local_side: Mapping[PositionKey, _Row], broker_side: Mapping[PositionKey, _Row]) -> tuple[list[_Pair], int]:
    """Walk both sides once. For rows that agree this loop is all the work, so it must stay short."""
    differing: list[_Pair] = []
    checked = len(local_side)
    for key, local in local_side.items():
        broker = broker_side.get(key)
        if broker is not None and local.quantity == broker.quantity and local.avg_cost == broker.avg_cost:
            if not local.quantity:
                checked -= 1
        else:
            differing.append((key, local, broker))
            if not (local.quantity or (broker is not None and broker.quantity)):
                checked -= 1
    for key in broker_side.keys() - local_side.keys():
        differing.append((key, None, broker_side[key]))
        checked += bool(broker_side[key].quantity)
    return differing, checked


def _holding(key: PositionKey, row: _Row | None, side: str) -> _Holding | None:
    """Return what a row holds, in exact numbers; None where it is missing or flat."""
    if row is None:
        return None
    try:
        AssetType(key[1])
        quantity = exact_decimal(row.quantity, "quantity")
        avg_cost = optional_decimal(row.avg_cost, "avg_cost")
    except (AttributeError, ValueError) as error:  # InvalidInputError, or an unknown asset type
        raise UnusableValueError(side, f"position {key[0]!r}: {error}") from None
    return _Holding(quantity, avg_cost) if quantity else None


def _costs_not_compared(
    local: Mapping[PositionKey, _Row], broker: Mapping[PositionKey, _Row]
) -> tuple[NotCompared, ...]:
    keys = sorted(
        key
        for key, row in local.items()
        if key in broker and row.quantity and (row.avg_cost is None or broker[key].avg_cost is None)
    )
    return tuple(NotCompared(measure=Measure.COST, symbol=symbol, asset_type=asset_type) for symbol, asset_type in keys)
