from decimal import Decimal
from typing import Any

import pytest

from reconciliation import Comparator, DiscrepancyType, ReconciliationConfig
from reconciliation.domain.comparison.comparator import Comparison
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerSnapshot, LocalSnapshot
from reconciliation.errors import UnusableValueError


def compare(local: dict[str, Any], broker: dict[str, Any]) -> Comparison:
    local_side = LocalSnapshot(account_id="A", positions=[], **local)
    figures = {"cash": None, "buying_power": None, "total_equity": None, "margin_used": None} | broker
    broker_side = BrokerSnapshot(account=BrokerAccount("A", **figures), positions=[])
    return Comparator(ReconciliationConfig("A")).compare(local_side, broker_side)


def split(**amounts: Any) -> dict[str, Any]:
    return {"cash_by_currency": {name: Decimal(str(amount)) for name, amount in amounts.items()}}


def found(comparison: Comparison) -> list[tuple[DiscrepancyType, str | None, Decimal | None, Decimal | None]]:
    return [(one.type, one.currency, one.local_value, one.broker_value) for one in comparison.discrepancies]


def words(comparison: Comparison) -> tuple[str, ...]:
    return tuple(str(item) for item in comparison.not_compared)


CASH, EQUITY = DiscrepancyType.CASH_MISMATCH, DiscrepancyType.EQUITY_MISMATCH


def test_cash_is_compared_by_currency_where_both_sides_split_it() -> None:
    comparison = compare(split(USD=100, EUR=50), split(USD=90, EUR="50.5"))
    assert found(comparison) == [(CASH, "USD", 100, 90)]
    assert words(comparison) == ("equity",)


def test_a_total_that_its_currencies_cover_is_not_reported_again() -> None:
    comparison = compare(split(USD=100) | {"cash": Decimal(100)}, split(USD=90) | {"cash": Decimal(90)})
    assert found(comparison) == [(CASH, "USD", 100, 90)]


def test_a_currency_of_one_side_is_not_compared_but_the_totals_are() -> None:
    local, broker = split(USD=100) | {"cash": Decimal(100)}, split(USD=100, EUR=50) | {"cash": Decimal(155)}
    assert found(compare(local, broker)) == [(CASH, None, 100, 155)]
    assert words(compare(local, broker)) == ("cash EUR", "equity")


def test_no_currency_in_common_leaves_the_totals() -> None:
    assert found(compare({"cash": Decimal(1)}, split(USD=5) | {"cash": Decimal(5)})) == [(CASH, None, 1, 5)]
    assert words(compare(split(USD=1), split(EUR=1))) == ("cash", "equity")


@pytest.mark.parametrize("residue", ["-0.00005", "0.004", "0"])
def test_a_residue_of_one_side_is_nothing(residue: str) -> None:
    comparison = compare(split(USD=100), split(USD=100, EUR=residue))
    assert comparison.discrepancies == []
    assert words(comparison) == ("equity",)


def test_the_tolerance_holds_for_each_currency_inclusively() -> None:
    assert found(compare(split(USD=100, JPY=1), split(USD=101, JPY=1))) == []
    assert found(compare(split(usd=100), split(USD="101.01"))) == [(CASH, "USD", 100, Decimal("101.01"))]


def test_totals_in_different_currencies_are_not_compared_and_said_so() -> None:
    local = {"cash": Decimal(1), "equity": Decimal(1), "currency": "USD"}
    broker = {"cash": Decimal(9), "total_equity": Decimal(9), "currency": "EUR"}
    comparison = compare(local, broker)
    assert comparison.discrepancies == []
    assert words(comparison) == ("cash: USD against EUR", "equity: USD against EUR")


@pytest.mark.parametrize("currency", ["USD", "usd ", None])
def test_totals_in_one_currency_or_an_unknown_one_are_compared(currency: str | None) -> None:
    local = {"cash": Decimal(1), "equity": Decimal(1), "currency": "USD"}
    broker = {"cash": Decimal(9), "total_equity": Decimal(9), "currency": currency}
    assert [kind for kind, *_ in found(compare(local, broker))] == [CASH, EQUITY]


@pytest.mark.parametrize("side", ["local", "broker"])
def test_an_amount_that_is_no_number_names_its_side(side: str) -> None:
    broken, good = {"cash_by_currency": {"USD": Decimal("NaN")}}, split(USD=1)
    with pytest.raises(UnusableValueError, match="cash in USD") as caught:
        compare(*((broken, good) if side == "local" else (good, broken)))
    assert caught.value.side == side


WHOLE = {"cash_split_is_whole": True}


def test_a_currency_that_the_broker_states_as_zero_is_compared() -> None:
    comparison = compare(split(USD=100, EUR=50_000), split(USD=100, EUR=0))
    assert found(comparison) == [(CASH, "EUR", 50_000, 0)]


def test_a_currency_that_a_whole_split_does_not_name_is_zero() -> None:
    assert found(compare(split(USD=100, EUR=50_000), split(USD=100) | WHOLE)) == [(CASH, "EUR", 50_000, 0)]
    assert found(compare(split(EUR=50_000), split(USD=100) | WHOLE)) == [(CASH, "EUR", 50_000, 0)]
    assert found(compare(split(USD=100) | WHOLE, split(USD=100, EUR=7))) == [(CASH, "EUR", 0, 7)]
    assert found(compare(split(EUR=50_000), split() | WHOLE)) == [(CASH, "EUR", 50_000, 0)]


def test_a_split_that_is_not_whole_says_nothing_of_other_currencies() -> None:
    comparison = compare(split(EUR=50_000), split(USD=100) | WHOLE)
    assert words(comparison) == ("cash USD", "equity")


def test_a_book_without_a_split_is_compared_by_its_total_only() -> None:
    comparison = compare({"cash": Decimal(100)}, split(USD=100, EUR=0) | {"cash": Decimal(100)} | WHOLE)
    assert (found(comparison), words(comparison)) == ([], ("equity",))


def test_two_spellings_of_a_currency_are_one_amount() -> None:
    assert found(compare(split(usd=60, USD=40), split(USD=90))) == [(CASH, "USD", 100, 90)]
