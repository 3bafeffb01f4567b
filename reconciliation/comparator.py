"""The comparison of two books: pure, no I/O, no clock of its own, no logging.

Rules, by the numbers of the design: (1) positions are keyed by symbol and asset type, rows of one key are added up,
zero is flat; (2) quantity and cost are judged apart; (3) tolerances are data, inclusive; (4) equity is judged in
percent of the absolute local equity; (5) output is sorted. What a side does not say is not compared, and said so.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal

from reconciliation.broker.query import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.errors import InvalidInputError, UnusableFigureError
from reconciliation.local.provider import LocalSnapshot, PositionLike
from reconciliation.models import (
    DEFAULT_SEVERITY_MAP,
    AssetType,
    Discrepancy,
    DiscrepancyType,
    ReconciliationConfig,
)
from reconciliation.tolerance import ToleranceTable, within_percent
from reconciliation.values import EXACT, exact_decimal, optional_decimal

Key = tuple[str, AssetType]

#: Digits of an average cost that does not come out even: those of IEEE 754 decimal128.
_AVERAGE = Context(prec=34)


@dataclass(frozen=True, slots=True)
class _Holding:
    """The rows of one key, added up."""

    quantity: Decimal
    avg_cost: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that a comparison of two snapshots tells."""

    discrepancies: list[Discrepancy]
    positions_checked: int
    not_compared: tuple[str, ...]


class Comparator:
    """Compares the local book of one account with its broker's.

    Args:
        config: whose account and tolerances; read anew at each call, so a change is followed at once.
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
            UnusableFigureError: a figure of either side is not a finite number.
        """
        ours, theirs = _index(local.positions, "local"), _index(broker.positions, "broker")
        positions = self._position_findings(ours, theirs)
        account = self.compare_account(local.cash, local.equity, broker.account)
        return Comparison(
            discrepancies=positions + account,
            positions_checked=len(ours.keys() | theirs.keys()),
            not_compared=_not_compared(local, broker, ours, theirs),
        )

    def compare_positions(self, local: Iterable[PositionLike], broker: Iterable[BrokerPosition]) -> list[Discrepancy]:
        """Return the findings of the positions, sorted by symbol, asset type and type of finding.

        Raises:
            UnusableFigureError: a quantity or cost of either side is not a finite number.
        """
        return self._position_findings(_index(local, "local"), _index(broker, "broker"))

    def compare_account(
        self, local_cash: Decimal | None, local_equity: Decimal | None, broker_account: BrokerAccount
    ) -> list[Discrepancy]:
        """Return the findings of cash and equity. None on either side is not compared.

        Raises:
            UnusableFigureError: a figure is not a finite number.
        """
        ours, theirs = _figure(local_cash, "local", "cash"), _figure(broker_account.cash, "broker", "cash")
        findings = []
        if ours is not None and theirs is not None:
            difference = EXACT.abs(EXACT.subtract(ours, theirs))
            if difference > self._config.cash_tolerance:
                findings.append(self._finding(DiscrepancyType.CASH_MISMATCH, None, ours, theirs))
        ours = _figure(local_equity, "local", "equity")
        theirs = _figure(broker_account.total_equity, "broker", "equity")
        if (
            ours is not None
            and theirs is not None
            and not within_percent(ours, theirs, self._config.equity_tolerance_pct)
        ):
            findings.append(self._finding(DiscrepancyType.EQUITY_MISMATCH, None, ours, theirs))
        return findings

    def _position_findings(self, ours: dict[Key, _Holding], theirs: dict[Key, _Holding]) -> list[Discrepancy]:
        tolerances = ToleranceTable(self._config.account_id, self._config.tolerances)
        findings: list[Discrepancy] = []
        for key, local in ours.items():
            broker = theirs.get(key)
            if broker is None:
                findings.append(self._finding(DiscrepancyType.MISSING_BROKER, key, local.quantity, None))
            elif local.quantity != broker.quantity or local.avg_cost != broker.avg_cost:
                findings.extend(self._mismatches(key, local, broker, tolerances))
        findings.extend(
            self._finding(DiscrepancyType.MISSING_LOCAL, key, None, broker.quantity)
            for key, broker in theirs.items()
            if key not in ours
        )
        findings.sort(key=lambda found: (found.symbol or "", found.asset_type or "", found.type.value))
        return findings

    def _mismatches(
        self, key: Key, local: _Holding, broker: _Holding, tolerances: ToleranceTable
    ) -> Iterator[Discrepancy]:
        if not tolerances.quantity(*key).covers(local.quantity, broker.quantity):
            yield self._finding(DiscrepancyType.QUANTITY_MISMATCH, key, local.quantity, broker.quantity)
        if local.avg_cost is None or broker.avg_cost is None:
            return
        if not tolerances.cost(*key).covers(local.avg_cost, broker.avg_cost):
            yield self._finding(DiscrepancyType.COST_MISMATCH, key, local.avg_cost, broker.avg_cost)

    def _finding(
        self, kind: DiscrepancyType, key: Key | None, local: Decimal | None, broker: Decimal | None
    ) -> Discrepancy:
        symbol, asset_type = key if key is not None else (None, None)
        return Discrepancy(
            type=kind,
            severity=DEFAULT_SEVERITY_MAP[kind],
            symbol=symbol,
            local_value=local,
            broker_value=broker,
            timestamp=self._now(),
            account_id=self._config.account_id,
            asset_type=asset_type,
        )


def _index(rows: Iterable[PositionLike] | Iterable[BrokerPosition], side: str) -> dict[Key, _Holding]:
    """Add up the rows of each key; a key whose sum is zero is flat and left out."""
    single: dict[Key, _Holding] = {}
    several: dict[Key, list[_Holding]] = {}
    for row in rows:
        key, holding = _holding(row, side)
        if key in single:
            several.setdefault(key, [single[key]]).append(holding)
        else:
            single[key] = holding
    for key, holdings in several.items():
        single[key] = _add_up(holdings)
    return {key: holding for key, holding in single.items() if holding.quantity}


def _holding(row: PositionLike | BrokerPosition, side: str) -> tuple[Key, _Holding]:
    try:
        symbol = row.symbol
        return (symbol, AssetType(row.asset_type)), _Holding(
            exact_decimal(row.quantity, "quantity"), optional_decimal(row.avg_cost, "avg_cost")
        )
    except AttributeError as error:
        raise UnusableFigureError(side, f"position {type(row).__name__}: {error}") from None
    except ValueError as error:  # also InvalidInputError, and an unknown asset type
        raise UnusableFigureError(side, f"position {symbol!r}: {error}") from None


def _figure(value: Decimal | None, side: str, name: str) -> Decimal | None:
    try:
        return optional_decimal(value, name)
    except InvalidInputError as error:
        raise UnusableFigureError(side, str(error)) from None


def _add_up(holdings: list[_Holding]) -> _Holding:
    quantity = Decimal(0)
    for holding in holdings:
        quantity = EXACT.add(quantity, holding.quantity)
    counted = [holding for holding in holdings if holding.quantity]
    costs = {holding.avg_cost for holding in counted}
    if not quantity or None in costs:
        return _Holding(quantity, None)
    if len(costs) == 1:
        return _Holding(quantity, costs.pop())
    total = Decimal(0)
    for holding in counted:
        total = EXACT.fma(holding.quantity, holding.avg_cost or Decimal(0), total)
    return _Holding(quantity, _AVERAGE.divide(total, quantity))


def _not_compared(
    local: LocalSnapshot, broker: BrokerSnapshot, ours: dict[Key, _Holding], theirs: dict[Key, _Holding]
) -> tuple[str, ...]:
    words = []
    if local.cash is None or broker.account.cash is None:
        words.append("cash")
    if local.equity is None or broker.account.total_equity is None:
        words.append("equity")
    words.extend(
        f"cost {key[0]}"
        for key in sorted(ours.keys() & theirs.keys())
        if ours[key].avg_cost is None or theirs[key].avg_cost is None
    )
    return tuple(words)
