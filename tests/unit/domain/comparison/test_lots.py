from decimal import Decimal

import pytest

from reconciliation.domain.comparison.lots import Lot, sum_of_lots


def lot(quantity: str, cost: str | None) -> Lot:
    return Decimal(quantity), None if cost is None else Decimal(cost)


@pytest.mark.parametrize(
    ("lots", "total"),
    [
        ([], lot("0", None)),
        ([lot("5", "10")], lot("5", "10")),
        ([lot("10", "100"), lot("30", "200")], lot("40", "175")),
        ([lot("10", "100"), lot("30", None)], lot("40", None)),
        ([lot("10", "100"), lot("0", None)], lot("10", "100")),
        ([lot("10", "100"), lot("-10", "120")], lot("0", None)),
        ([lot("100", "10"), lot("-90", "20")], lot("10", None)),  # opposite legs have no common cost
        ([lot("-10", "100"), lot("-30", "200")], lot("-40", "175")),
        ([lot("1", "0.1"), lot("1", "0.1"), lot("1", "0.1")], lot("3", "0.1")),
    ],
)
def test_quantities_are_added_and_costs_weighted_where_all_are_known(lots: list[Lot], total: Lot) -> None:
    assert sum_of_lots(lots) == total


def test_an_average_that_does_not_come_out_even_has_34_digits() -> None:
    _, cost = sum_of_lots([lot("1", "1"), lot("2", "2")])

    assert cost == Decimal("1.666666666666666666666666666666667")
