"""The value at stake of findings: known, said from what, or unknown."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from reconciliation.domain.comparison.conclude import conclude
from reconciliation.domain.model.models import AssetType, Discrepancy, DiscrepancyType, ReconciliationConfig, ValueBasis
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from reconciliation.messages.runs import discrepancy_payload


def at_broker(
    quantity: str,
    market_value: str | None = None,
    cost: str | None = None,
    kind: AssetType = AssetType.STOCK,
    **more: Any,
) -> BrokerPosition:
    return BrokerPosition("NVDA", Decimal(quantity), cost, market_value, kind, **{"currency": "USD", **more})


def in_book(quantity: str, cost: str | None = None, kind: AssetType = AssetType.STOCK, **more: Any) -> LocalPosition:
    return LocalPosition("NVDA", Decimal(quantity), cost, kind, **more)


def findings(local: list[Any], broker: list[BrokerPosition], **account: Any) -> list[Discrepancy]:
    start = RunStart.now()
    result = conclude(
        RunRequest(account_id="A", context={}),
        ReconciliationConfig("A"),
        start,
        LocalSnapshot(account_id="A", positions=local, cash=account.get("local_cash"), currency="USD"),
        BrokerSnapshot(
            account=BrokerAccount("A", account.get("cash"), None, None, None, currency="USD"), positions=broker
        ),
    )
    assert result.error is None, result.error
    return result.discrepancies


def only(local: list[Any], broker: list[BrokerPosition]) -> tuple[Decimal, str | None, ValueBasis] | None:
    (found,) = findings(local, broker)
    return None if found.value is None else (found.value.amount, found.value.currency, found.value.basis)


OPTION = AssetType.OPTION
MARKET, COST = ValueBasis.MARKET_VALUE, ValueBasis.COST


@pytest.mark.parametrize(
    ("local", "broker", "expected"),
    [
        # the broker's market value has the multiplier in it already
        (
            [in_book("3", kind=OPTION)],
            [at_broker("5", "1000", kind=OPTION, multiplier="100")],
            ("400.00", "USD", MARKET),
        ),
        ([], [at_broker("-20", "-5000")], ("5000.00", "USD", MARKET)),
        ([in_book("10")], [at_broker("4", "400"), at_broker("4", "600")], ("250.00", "USD", MARKET)),
        # without a market value, the cost: the broker's, then the local one
        ([in_book("90", "9")], [at_broker("100", cost="9.0006")], ("90.01", "USD", COST)),
        ([in_book("40", "2.5", currency="EUR")], [], ("100.00", "EUR", COST)),
        ([in_book("2", "1.5", OPTION, multiplier=Decimal(100))], [], ("300.00", None, COST)),
        # a price of a bond may be a percent of par, a contract's size may be anything: unknown
        ([in_book("2", "1.5", OPTION)], [], None),
        ([in_book("1000", "99.5", AssetType.BOND)], [], None),
        ([in_book("40")], [], None),
        ([in_book("90", currency="EUR")], [at_broker("100", "5000")], None),
        # one lot without a value leaves the whole unknown; a worthless one is one without a price
        ([in_book("10")], [at_broker("4", "400"), at_broker("4")], None),
        ([in_book("90")], [at_broker("100", "0")], None),
        # less than a cent is not zero
        ([in_book("1")], [at_broker("2", "0.0004")], ("0.000200000000", "USD", MARKET)),
    ],
)
def test_the_difference_times_the_price_where_it_is_known(
    local: list[Any], broker: list[BrokerPosition], expected: tuple[str, str | None, ValueBasis] | None
) -> None:
    wanted = None if expected is None else (Decimal(expected[0]), *expected[1:])
    assert only(local, broker) == wanted


def test_a_cost_mismatch_is_worth_the_difference_of_the_costs_of_what_is_held() -> None:
    assert only([in_book("100", "120")], [at_broker("100", "13000", "12")]) == (Decimal("10800.00"), "USD", COST)


def test_cash_is_its_own_value() -> None:
    (found,) = findings([], [], local_cash=Decimal(1000), cash=Decimal("1500.25"))
    assert found.value is not None
    assert (found.value.amount, found.value.currency, found.value.basis) == (
        Decimal("500.25"),
        "USD",
        ValueBasis.AMOUNT,
    )


def test_a_row_of_a_caller_s_own_type_is_valued_by_its_cost() -> None:
    row = SimpleNamespace(symbol="NVDA", quantity=Decimal(3), avg_cost=Decimal(2), asset_type=AssetType.STOCK)
    assert only([row], []) == (Decimal("6.00"), None, COST)


def test_the_payload_has_the_value_or_says_that_it_is_not_known() -> None:
    (found,) = findings([in_book("40", "2.5", currency="EUR")], [])
    payload = discrepancy_payload(RunRequest(account_id="A", context={}).run_id, found)
    assert (payload["value_at_stake"], payload["value_currency"], payload["value_basis"]) == ("100.00", "EUR", "cost")
    unknown = Discrepancy(DiscrepancyType.MISSING_LOCAL, found.severity, "X", None, Decimal(1), datetime.now(UTC), "A")
    payload = discrepancy_payload(RunRequest(account_id="A", context={}).run_id, unknown)
    assert payload["value_at_stake"] is payload["value_currency"] is payload["value_basis"] is None
