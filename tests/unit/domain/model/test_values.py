from decimal import Decimal

import pytest

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError


def test_a_float_enters_by_its_shortest_text() -> None:
    assert exact_decimal(0.1, "quantity") == Decimal("0.1")


@pytest.mark.parametrize(
    "value", ["NaN", float("inf"), Decimal("-Infinity"), "", "x", "1_0", True, [], "9" * 61, "1e99"]
)
def test_what_is_not_a_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(InvalidInputError, match="quantity"):
        exact_decimal(value, "quantity")  # type: ignore[arg-type]
