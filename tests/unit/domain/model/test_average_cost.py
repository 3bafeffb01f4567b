from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.broker import PaperBroker
from reconciliation.domain.model.average_cost import positions_from_fills
from reconciliation.domain.model.models import AssetType, OrderFill, OrderSide
from reconciliation.domain.model.snapshots import BookRow

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def fills(*rows: tuple[str, str | None], symbol: str = "X") -> list[BookRow]:
    return [
        BookRow(symbol, Decimal(quantity), None if price is None else Decimal(price), AssetType.STOCK)
        for quantity, price in rows
    ]


def held(*rows: tuple[str, str | None]) -> list[tuple[Decimal, Decimal | None]]:
    return [(row.quantity, row.avg_cost) for row in positions_from_fills(fills(*rows))]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("10", "100"), ("10", "110")], [("20", "105")]),
        ([("10", "100"), ("-4", "150")], [("6", "100")]),  # selling leaves the cost
        ([("-10", "100"), ("-10", "110"), ("5", "1")], [("-15", "105")]),
        ([("10", "100"), ("-10", "150")], []),
        ([("10", "100"), ("-15", "150")], [("-5", "150")]),  # through zero: a new position
        ([("10", "100"), ("-10", "150"), ("3", "7")], [("3", "7")]),
        ([("10", "100"), ("10", None)], [("20", None)]),  # one price unknown: the average is, too
        ([("10", None), ("-10", "1"), ("2", "5")], [("2", "5")]),  # and known again after flat
        ([("10", "100"), ("0", "7")], [("10", "100")]),
        ([("3", "1"), ("0", None), ("-3", "2")], []),
    ],
)
def test_the_cost_is_the_average_of_what_is_left(rows: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    assert held(*rows) == [(Decimal(q), None if c is None else Decimal(c)) for q, c in expected]


def test_a_cost_that_does_not_come_out_even_has_34_digits() -> None:
    [(_, cost)] = held(("1", "1"), ("2", "2"))
    assert cost == Decimal("1.666666666666666666666666666666667")


def test_each_symbol_is_added_up_by_itself() -> None:
    rows = positions_from_fills(
        [*fills(("1", "1"), symbol="A"), *fills(("2", "2"), symbol="B"), *fills(("-1", "3"), symbol="A")]
    )
    assert [(row.symbol, row.quantity) for row in rows] == [("B", 2)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 500)), max_size=30))
def test_the_quantity_is_the_sum_and_the_cost_lies_among_the_prices(rows: list[tuple[int, int]]) -> None:
    result = held(*((str(quantity), str(price)) for quantity, price in rows))
    total = sum(quantity for quantity, _ in rows)
    assert [quantity for quantity, _ in result] == ([total] if total else [])
    if total:
        # Since the book was last flat, or last went through zero, nothing cheaper or dearer was bought.
        sums = list(accumulate(quantity for quantity, _ in rows))
        start = max((i for i, amount in enumerate(sums) if amount * total <= 0), default=-1) + 1
        prices = [price for quantity, price in rows[start:] if quantity * total > 0]
        assert min(prices) <= result[0][1] <= max(prices)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 500)), max_size=30))
async def test_a_book_of_fills_and_the_paper_broker_agree_to_the_last_digit(rows: list[tuple[int, int]]) -> None:
    broker = PaperBroker()
    for number, (quantity, price) in enumerate(rows):
        side = OrderSide.BUY if quantity >= 0 else OrderSide.SELL
        fill = OrderFill(str(number), "O", "X", side, Decimal(abs(quantity)), Decimal(price), NOW)
        broker.apply_fill("A", fill)
    shown = [(row.quantity, row.avg_cost) for row in await broker.get_positions("A")]
    assert shown == held(*((str(quantity), str(price)) for quantity, price in rows))


async def test_lots_of_the_paper_broker_are_one_position_after_a_fill() -> None:
    broker = PaperBroker()
    broker.add_position("A", "X", 10, 1, 10)
    broker.add_position("A", "X", 10, 3, 30)
    broker.apply_fill("A", OrderFill("1", "O", "X", OrderSide.SELL, Decimal(15), Decimal(2), NOW))
    assert [(row.quantity, row.avg_cost) for row in await broker.get_positions("A")] == [(5, 2)]
