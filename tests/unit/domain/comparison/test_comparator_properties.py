"""What must hold for every pair of books."""

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciliation import Comparator, Discrepancy, DiscrepancyType, ReconciliationConfig
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition, LocalPosition

SYMBOLS = st.sampled_from(["AAPL", "MSFT", "BRK.B", "BTC/USD", "ES"])
KINDS = st.sampled_from([AssetType.STOCK, AssetType.CRYPTO, AssetType.FUTURE])
QUANTITIES = st.decimals(-10_000, 10_000, places=4, allow_nan=False)
COSTS = st.none() | st.decimals("0.0001", 10_000, places=8, allow_nan=False)
#: key -> (quantity, cost): a book without lots.
BOOKS = st.dictionaries(st.tuples(SYMBOLS, KINDS), st.tuples(QUANTITIES, COSTS))
Book = dict[tuple[str, AssetType], tuple[Decimal, Decimal | None]]

MIRRORED = {
    DiscrepancyType.MISSING_LOCAL: DiscrepancyType.MISSING_BROKER,
    DiscrepancyType.MISSING_BROKER: DiscrepancyType.MISSING_LOCAL,
}


def local_rows(book: Book) -> list[LocalPosition]:
    return [LocalPosition(symbol, quantity, cost, kind) for (symbol, kind), (quantity, cost) in book.items()]


def broker_rows(book: Book) -> list[BrokerPosition]:
    return [BrokerPosition(symbol, quantity, cost, None, kind) for (symbol, kind), (quantity, cost) in book.items()]


def compare(local: list[LocalPosition], broker: list[BrokerPosition]) -> list[Discrepancy]:
    return Comparator(ReconciliationConfig("A")).compare_positions(local, broker)


def essence(found: list[Discrepancy]) -> list[tuple[Any, ...]]:
    return [(one.type, one.symbol, one.asset_type, one.local_value, one.broker_value) for one in found]


@given(BOOKS)
def test_identical_books_are_clean(book: Book) -> None:
    assert compare(local_rows(book), broker_rows(book)) == []


@given(BOOKS, BOOKS)
def test_swapping_the_sides_mirrors_the_findings(one: Book, other: Book) -> None:
    there = essence(compare(local_rows(one), broker_rows(other)))
    back = essence(compare(local_rows(other), broker_rows(one)))
    mirrored = [(MIRRORED.get(kind, kind), symbol, asset, right, left) for kind, symbol, asset, left, right in back]
    assert Counter(there) == Counter(mirrored)


@given(BOOKS, BOOKS, st.randoms())
def test_the_order_of_input_does_not_matter(one: Book, other: Book, random: Any) -> None:
    local, broker = local_rows(one), broker_rows(other)
    expected = essence(compare(local, broker))
    random.shuffle(local)
    random.shuffle(broker)
    assert essence(compare(local, broker)) == expected


@given(BOOKS, BOOKS, st.data())
def test_splitting_rows_into_lots_changes_nothing(one: Book, other: Book, data: st.DataObject) -> None:
    lots = []
    for row in local_rows(one):
        # Of one sign: opposite legs have no common cost.
        part = row.quantity * data.draw(st.sampled_from([Decimal(0), Decimal("0.25"), Decimal("0.5"), Decimal(1)]))
        rest = row.quantity - part
        lots += [LocalPosition(row.symbol, piece, row.avg_cost, row.asset_type) for piece in (part, rest)]
    assert essence(compare(lots, broker_rows(other))) == essence(compare(local_rows(one), broker_rows(other)))


@given(BOOKS, st.data())
def test_every_planted_difference_is_found_and_nothing_else(book: Book, data: st.DataObject) -> None:
    held = {key: row for key, row in book.items() if row[0]}
    broker = dict(held)
    planted: Counter[tuple[Any, ...]] = Counter()
    for (symbol, kind), (quantity, cost) in held.items():
        key = (symbol, kind)
        match data.draw(st.sampled_from(["none", "drop", "quantity", "cost", "both"])):
            case "drop":
                del broker[key]
                planted[(DiscrepancyType.MISSING_BROKER, symbol, kind)] += 1
            case "quantity":
                broker[key] = (quantity * 2, cost)
                planted[(DiscrepancyType.QUANTITY_MISMATCH, symbol, kind)] += 1
            case "cost" if cost is not None:
                broker[key] = (quantity, cost * 2)
                planted[(DiscrepancyType.COST_MISMATCH, symbol, kind)] += 1
            case "both" if cost is not None:
                broker[key] = (-quantity, cost * 2)
                planted[(DiscrepancyType.QUANTITY_MISMATCH, symbol, kind)] += 1
                planted[(DiscrepancyType.COST_MISMATCH, symbol, kind)] += 1
    found = compare(local_rows(book), broker_rows(broker))
    assert Counter((one.type, one.symbol, one.asset_type) for one in found) == planted


@given(BOOKS, BOOKS)
def test_findings_come_sorted(one: Book, other: Book) -> None:
    found = compare(local_rows(one), broker_rows(other))
    assert found == sorted(found, key=lambda each: (each.symbol or "", each.asset_type or "", each.type.value))
