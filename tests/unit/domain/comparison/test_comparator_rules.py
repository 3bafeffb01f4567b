"""The comparator's rules one by one, with figures to check by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation import Comparator, DiscrepancySeverity, DiscrepancyType, ReconciliationConfig
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.errors import InvalidInputError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def comparator(**changes: object) -> Comparator:
    return Comparator(ReconciliationConfig("A", **changes), now=lambda: NOON)  # type: ignore[arg-type]


def local_row(symbol: str, quantity: object, cost: object = "10", kind: AssetType = AssetType.STOCK) -> LocalPosition:
    return LocalPosition(symbol, quantity, cost, kind)  # type: ignore[arg-type]


def broker_row(symbol: str, quantity: object, cost: object = "10", kind: AssetType = AssetType.STOCK) -> BrokerPosition:
    return BrokerPosition(symbol, quantity, cost, None, kind)  # type: ignore[arg-type]


def account(cash: object = None, equity: object = None) -> BrokerAccount:
    return BrokerAccount("A", cash, None, equity, None)  # type: ignore[arg-type]


def kinds(found: list) -> list[str]:
    return [f"{one.symbol} {one.type.value}" for one in found]


def test_a_missing_side_is_none_and_a_present_side_its_quantity() -> None:
    missing_broker, missing_local = comparator().compare_positions([local_row("AAPL", 5)], [broker_row("MSFT", -3)])
    assert (missing_broker.type, missing_broker.local_value, missing_broker.broker_value) == (
        DiscrepancyType.MISSING_BROKER,
        Decimal(5),
        None,
    )
    assert (missing_local.type, missing_local.local_value, missing_local.broker_value) == (
        DiscrepancyType.MISSING_LOCAL,
        None,
        Decimal(-3),
    )
    assert missing_local.severity is DiscrepancySeverity.CRITICAL
    assert missing_local.timestamp == NOON
    assert missing_local.account_id == "A"


def test_quantity_and_cost_are_both_reported() -> None:
    found = comparator().compare_positions([local_row("AAPL", 5, "10")], [broker_row("AAPL", 6, "11")])
    assert kinds(found) == ["AAPL cost_mismatch", "AAPL quantity_mismatch"]
    assert (found[0].local_value, found[0].broker_value) == (Decimal(10), Decimal(11))
    assert found[0].severity is DiscrepancySeverity.INFO


def test_lots_are_added_up_with_weighted_cost() -> None:
    lots = [local_row("AAPL", 10, "100"), local_row("AAPL", 30, "200")]
    assert comparator().compare_positions(lots, [broker_row("AAPL", 40, "175")]) == []


def test_lots_that_add_up_to_zero_are_flat() -> None:
    assert comparator().compare_positions([local_row("AAPL", 10), local_row("AAPL", -10)], []) == []
    assert comparator().compare_positions([local_row("AAPL", 0)], []) == []


def test_one_symbol_in_two_asset_types_is_two_positions() -> None:
    found = comparator().compare_positions([local_row("BTC", 1)], [broker_row("BTC", 1, "10", AssetType.CRYPTO)])
    assert kinds(found) == ["BTC missing_local", "BTC missing_broker"]


def test_an_unknown_cost_is_not_compared_and_not_zero() -> None:
    assert comparator().compare_positions([local_row("AAPL", 5, "10")], [broker_row("AAPL", 5, None)]) == []
    assert comparator().compare_positions([local_row("AAPL", 5, "0")], [broker_row("AAPL", 5, None)]) == []


def test_a_lot_of_unknown_cost_makes_the_cost_unknown() -> None:
    lots = [local_row("AAPL", 5, "10"), local_row("AAPL", 5, None)]
    assert comparator().compare_positions(lots, [broker_row("AAPL", 10, "99")]) == []


@pytest.mark.parametrize(
    ("broker_cost", "differs"), [("10000", False), ("9999", False), ("10001", False), ("10001.01", True), ("0", True)]
)
def test_the_default_cost_tolerance_is_one_basis_point_inclusive(broker_cost: str, differs: bool) -> None:
    found = comparator().compare_positions([local_row("X", 1, "10000")], [broker_row("X", 1, broker_cost)])
    assert bool(found) is differs


def test_the_most_specific_tolerance_wins() -> None:
    def rule(absolute: int, **selector: str) -> ToleranceRule:
        return ToleranceRule(measure="quantity", tolerance=Tolerance(absolute=Decimal(absolute)), **selector)  # type: ignore[arg-type]

    rules = (rule(0, symbol="AAPL"), rule(3, asset_type="stock"), rule(9, account_id="A"), rule(99, account_id="B"))
    compare = comparator(tolerances=rules).compare_positions
    assert len(compare([local_row("AAPL", 1)], [broker_row("AAPL", 2)])) == 1
    assert compare([local_row("MSFT", 1)], [broker_row("MSFT", 4)]) == []
    assert len(compare([local_row("MSFT", 1)], [broker_row("MSFT", 5)])) == 1
    assert compare([local_row("BTC", 1, None, AssetType.CRYPTO)], [broker_row("BTC", 10, None, AssetType.CRYPTO)]) == []


def test_of_equally_specific_rules_the_last_wins() -> None:
    narrow, wide = (ToleranceRule(measure="quantity", tolerance=Tolerance(absolute=Decimal(n))) for n in (0, 5))
    rows = [local_row("X", 1)], [broker_row("X", 6)]
    assert comparator(tolerances=(narrow, wide)).compare_positions(*rows) == []
    assert len(comparator(tolerances=(wide, narrow)).compare_positions(*rows)) == 1


def test_half_a_unit_of_precision_is_rounding() -> None:
    unit = ToleranceRule(measure="quantity", tolerance=Tolerance(unit=Decimal("0.001")))
    compare = comparator(tolerances=(unit,)).compare_positions
    assert compare([local_row("X", "1.2345")], [broker_row("X", "1.234")]) == []
    assert len(compare([local_row("X", "1.23451")], [broker_row("X", "1.234")])) == 1


@pytest.mark.parametrize(("broker_cash", "differs"), [("101.00", False), ("99", False), ("101.01", True)])
def test_cash_is_absolute_and_inclusive(broker_cash: str, differs: bool) -> None:
    found = comparator().compare_account(Decimal(100), None, account(cash=broker_cash))
    assert bool(found) is differs


@pytest.mark.parametrize(
    ("local", "broker", "differs"),
    [
        ("1000", "1001", False),
        ("1000", "1001.01", True),
        ("-1000", "-1001", False),
        ("-1000", "-998.99", True),
        ("0", "0", False),
        ("0", "0.01", True),
        ("100", "-100", True),
    ],
)
def test_equity_is_in_percent_of_the_absolute_local_equity(local: str, broker: str, differs: bool) -> None:
    found = comparator().compare_account(None, Decimal(local), account(equity=broker))
    assert [one.type for one in found] == ([DiscrepancyType.EQUITY_MISMATCH] if differs else [])


def test_what_a_side_does_not_say_is_named_as_not_compared() -> None:
    local = LocalSnapshot(account_id="A", positions=[local_row("AAPL", 1, None), local_row("MSFT", 1)], cash=Decimal(5))
    broker = BrokerSnapshot(account=account(equity="7"), positions=[broker_row("AAPL", 1), broker_row("MSFT", 1)])
    comparison = comparator().compare(local, broker)
    assert [str(item) for item in comparison.not_compared] == ["cash", "equity", "cost AAPL"]
    assert comparison.discrepancies == []
    assert comparison.positions_checked == 2


def test_a_tolerance_changed_on_the_config_holds_from_the_next_call() -> None:
    config = ReconciliationConfig("A")
    compare = Comparator(config)
    assert len(compare.compare_account(Decimal(0), None, account(cash="5"))) == 1
    config.cash_tolerance = Decimal(5)
    assert compare.compare_account(Decimal(0), None, account(cash="5")) == []


@dataclass
class Row:
    """Anything with the four fields is a local position."""

    symbol: str = "AAPL"
    quantity: object = 1
    avg_cost: object = None
    asset_type: object = "stock"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (Row(quantity=Decimal("NaN")), "'AAPL': quantity"),
        (Row(quantity=Decimal("sNaN")), "'AAPL': quantity"),
        (Row(quantity="many"), "'AAPL': quantity"),
        (Row(avg_cost=float("inf")), "'AAPL': avg_cost"),
        (Row(asset_type="stonk"), "stonk"),
        (object(), "symbol"),
    ],
)
def test_a_row_that_cannot_be_compared_is_refused_by_name(row: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        comparator().compare_positions([row], [])  # type: ignore[list-item]
    with pytest.raises(InvalidInputError, match=says):
        comparator().compare_positions([row], [broker_row("AAPL", 1, "2")])  # type: ignore[list-item]


def test_a_float_of_the_local_book_enters_by_its_text() -> None:
    assert comparator().compare_positions([Row(quantity=0.1)], [broker_row("AAPL", "0.1")]) == []  # type: ignore[list-item]


def test_opposite_legs_have_no_common_cost() -> None:
    legs = [broker_row("X", 100, "10"), broker_row("X", -90, "20")]
    local = LocalSnapshot(account_id="A", positions=[local_row("X", 10, "10")])
    comparison = comparator().compare(local, BrokerSnapshot(account=account(), positions=legs))
    assert comparison.discrepancies == []
    assert "cost X" in [str(item) for item in comparison.not_compared]


@pytest.mark.parametrize(("short", "gross"), [(-90, (190, 210)), (-100, (200, 220))])
def test_a_gross_difference_behind_an_equal_net_is_found(short: int, gross: tuple[int, int]) -> None:
    local = [local_row("X", 100), local_row("X", short)]
    broker = [broker_row("X", 110), broker_row("X", short - 10)]
    [found] = comparator().compare_positions(local, broker)
    assert (found.type, found.local_value, found.broker_value, found.is_gross) == (
        DiscrepancyType.QUANTITY_MISMATCH,
        *gross,
        True,
    )


def test_a_net_difference_is_told_once_and_in_net_quantities() -> None:
    local = [local_row("X", 100), local_row("X", -90)]
    [found] = comparator().compare_positions(local, [broker_row("X", 110), broker_row("X", -90)])
    assert (found.local_value, found.broker_value, found.is_gross) == (10, 20, False)


def test_legs_of_one_side_alone_are_compared_net() -> None:
    assert comparator().compare_positions([local_row("X", 10)], [broker_row("X", 100), broker_row("X", -90)]) == []


def test_a_gross_difference_within_the_tolerance_is_none() -> None:
    rule = ToleranceRule(measure="quantity", tolerance=Tolerance(absolute=Decimal(20)))
    local = [local_row("X", 100), local_row("X", -90)]
    broker = [broker_row("X", 110), broker_row("X", -100)]
    assert comparator(tolerances=(rule,)).compare_positions(local, broker) == []
    assert comparator().compare_positions(local, local) == []
