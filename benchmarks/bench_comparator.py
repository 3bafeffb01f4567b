"""Bench D: the comparator beside a plain dictionary comparison without tolerances or lots."""

from collections.abc import Sequence
from decimal import Decimal

from benchmarks.figures import Section, middle, time_side_by_side
from reconciliation.domain.comparison.comparator import Comparator
from reconciliation.domain.model.models import AssetType, ReconciliationConfig
from reconciliation.domain.model.snapshots import BrokerPosition, LocalPosition
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule

COUNTS = (100, 10_000, 1_000_000)
#: Every so many positions differ.
DIFFERENT = 100
RULES = (
    ToleranceRule(measure="quantity", tolerance=Tolerance(absolute=Decimal("0.001"))),
    ToleranceRule(measure="cost", tolerance=Tolerance(relative=Decimal("0.001")), asset_type="stock"),
    ToleranceRule(measure="cost", tolerance=Tolerance(unit=Decimal("0.01")), symbol="S000001"),
)


def measure() -> Section:
    rows, ratios = [], []
    for count in COUNTS:
        local, broker = _books(count)
        comparator = Comparator(ReconciliationConfig("bench", tolerances=RULES))
        times = time_side_by_side(
            {
                "ours": lambda c=comparator, x=local, y=broker: c.compare_positions(x, y),
                "plain": lambda x=local, y=broker: _plain(x, y),
            },
            rounds=3 if count > 10_000 else 60,
        )
        local_side, plain = count / middle(times["ours"]), count / middle(times["plain"])
        ratios.append(local_side / plain)
        rows.append([f"{count:,}", f"{local_side:,.0f}/s", f"{plain:,.0f}/s", f"{local_side / plain:.2f}"])
    return Section(
        name="comparator",
        title="Comparator: positions a second",
        columns=["positions", "comparator, all rules on", "plain dictionary", "ratio"],
        rows=rows,
        conclusions=[f"Wanted: at least 0.5 of the plain rate; seen: {min(ratios):.2f} to {max(ratios):.2f}."],
    )


def _books(count: int) -> tuple[list[LocalPosition], list[BrokerPosition]]:
    quantity, cost = Decimal(100), Decimal("12.34")
    local = [LocalPosition(f"S{n:06}", quantity, cost, AssetType.STOCK) for n in range(count)]
    broker = [
        BrokerPosition(f"S{n:06}", quantity + (n % DIFFERENT == 0), cost, None, AssetType.STOCK) for n in range(count)
    ]
    return local, broker


def _plain(local: Sequence[LocalPosition], broker: Sequence[BrokerPosition]) -> list[tuple[str, Decimal, Decimal]]:
    local_side = {(row.symbol, row.asset_type): (row.quantity, row.avg_cost) for row in local}
    broker_side = {(row.symbol, row.asset_type): (row.quantity, row.avg_cost) for row in broker}
    different = [
        (key[0], local_side.get(key, (Decimal(0), None))[0], broker_side.get(key, (Decimal(0), None))[0])
        for key in local_side.keys() | broker_side.keys()
        if local_side.get(key) != broker_side.get(key)
    ]
    return sorted(different)
