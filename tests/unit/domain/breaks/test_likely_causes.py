from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.breaks.likely_causes import (
    GUESSES,
    CauseInputs,
    Finding,
    cause_inputs_of,
    explain,
)
from reconciliation.domain.model.models import AssetType, DiscrepancyType, OrderFill
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from tests.builders.ledger import T0, Life, after, finding, run

CASH, COST = DiscrepancyType.CASH_MISMATCH, DiscrepancyType.COST_MISMATCH
MISSING_LOCAL, MISSING_BROKER = DiscrepancyType.MISSING_LOCAL, DiscrepancyType.MISSING_BROKER


def fill(quantity: str = "10", price: str = "200", *, symbol: str = "AAPL", seconds: float = -3) -> OrderFill:
    return OrderFill("F1", "O1", symbol, "buy", Decimal(quantity), Decimal(price), after(seconds))


def hints(*found: Any, facts: CauseInputs | None = None, **values: Any) -> set[str]:
    explained = explain(run(0, *found, **values), facts or CauseInputs())
    return {kind for finding in explained.values() for kind, _ in finding.hints}


def the_only(*found: Any, facts: CauseInputs | None = None) -> Finding:
    (only,) = explain(run(0, *found), facts or CauseInputs()).values()
    return only


def test_a_difference_of_exactly_a_recent_fill_is_a_fill_in_flight() -> None:
    facts = CauseInputs(recent_fills=[fill("10")])
    assert hints(finding(), facts=facts) == {"fill_in_flight"}
    assert hints(finding(broker="111"), facts=facts) == set()
    assert hints(finding("MSFT"), facts=facts) == set()
    assert hints(finding(), facts=CauseInputs(recent_fills=[fill("10", seconds=-61)])) == set()


def test_equal_but_for_the_sign() -> None:
    assert hints(finding(local="100", broker="-100")) == {"sign_flipped"}
    assert hints(finding(local="100", broker="-101")) == set()


def test_a_factor_of_the_multiplier_is_seen_both_ways() -> None:
    option = {"asset_type": AssetType.OPTION}
    assert hints(finding(local="5", broker="500", **option)) == {"multiplier"}
    assert hints(finding(local="500", broker="5", **option)) == {"multiplier"}
    assert hints(finding(local="5", broker="500")) == set()
    facts = CauseInputs(multipliers={("ES", AssetType.FUTURE): Decimal(50)})
    assert hints(finding("ES", "1", "50", asset_type=AssetType.FUTURE), facts=facts) == {"multiplier"}
    assert hints(finding("ES", "1.5", "0.1", kind=COST, asset_type=AssetType.FUTURE), facts=facts) == set()


@pytest.mark.parametrize(
    ("local", "broker", "our_cost", "their_cost", "expected"),
    [
        ("100", "200", "50", "25", {"split"}),
        ("100", "10", "5", "50.02", {"split"}),
        ("200", "300", "30", "20", {"split"}),
        ("100", "200", "50", "51.1", set()),
        ("100", "237", "50", "21.1", set()),
    ],
)
def test_a_split_is_a_clean_ratio_with_the_inverse_cost(
    local: str, broker: str, our_cost: str, their_cost: str, expected: set[str]
) -> None:
    cost = finding(local=our_cost, broker=their_cost, kind=COST)
    assert hints(finding(local=local, broker=broker), cost) == expected


def test_a_perhaps_equal_holding_is_named_in_both_findings_and_folds_neither() -> None:
    found = [
        replace(finding("AAPL", "100", None, kind=MISSING_BROKER), other_symbol="TSLA"),
        replace(finding("TSLA", None, "100", kind=MISSING_LOCAL), other_symbol="AAPL"),
    ]
    explained = {one.key.symbol: one.hints for one in explain(run(0, *found), CauseInputs()).values()}
    assert explained == {
        "AAPL": (("other_name", "perhaps the same holding as 'TSLA' at the broker: if so, map the symbol"),),
        "TSLA": (("other_name", "perhaps the same holding as 'AAPL' in the local book: if so, map the symbol"),),
    }


@pytest.mark.parametrize("broker", ["BRK B", "META"])
def test_two_findings_of_a_run_stay_two(broker: str) -> None:
    pair = finding("BRK.B", "7", None, kind=MISSING_BROKER), finding(broker, None, "7", kind=MISSING_LOCAL)
    assert len(explain(run(0, *pair), CauseInputs())) == 2


def test_cash_that_differs_by_a_recent_fill_is_unsettled() -> None:
    facts = CauseInputs(recent_fills=[fill("10", "200", seconds=-86400)])
    cash = finding(None, "10000", "12000.95", kind=CASH)
    assert hints(cash, facts=facts) == {"unsettled_cash"}
    assert hints(finding(None, "10000", "12001.05", kind=CASH), facts=facts) == set()


@pytest.mark.parametrize(
    ("local", "broker", "expected"),
    [
        ("1.23456789", "1.2346", {"rounding"}),
        ("100.4", "100", {"rounding"}),
        ("100.6", "100", set()),
        ("1", "2", set()),
    ],
)
def test_rounding_is_equality_at_the_coarser_side(local: str, broker: str, expected: set[str]) -> None:
    assert hints(finding(local=local, broker=broker)) == expected


def test_old_data_of_the_broker_are_named() -> None:
    assert hints(finding(), broker_as_of=T0 - timedelta(minutes=16)) == {"stale_broker"}
    assert hints(finding(), broker_as_of=T0 - timedelta(minutes=15)) == set()


def test_no_hint_ever_changes_a_severity_or_an_amount() -> None:
    found = finding(local="100", broker="-100")
    explained = the_only(found, facts=CauseInputs(recent_fills=[fill("200")]))
    assert explained.severity is found.severity
    assert (explained.amounts.local_value, explained.amounts.broker_value) == (Decimal(100), Decimal(-100))
    assert len(explained.hints) == 2


def test_guesses_are_stable_words() -> None:
    assert list(GUESSES) == [
        "fill_in_flight",
        "sign_flipped",
        "multiplier",
        "split",
        "unsettled_cash",
        "rounding",
        "stale_broker",
    ]


def test_the_context_of_a_post_fill_run_says_which_fill_may_be_in_flight() -> None:
    context = {"trigger": "post_fill", "fill_id": "F1", "order_id": "O1", "symbol": "AAPL", "side": "buy"}
    figures = {"quantity": "10", "price": "200", "last_fill_at": after(-5).isoformat()}
    nothing = LocalSnapshot(account_id="A", positions=[])
    broker = BrokerSnapshot(account=BrokerAccount("A", None, None, None, None), positions=[])
    assert hints(finding(), facts=cause_inputs_of(nothing, broker, context | figures)) == {"fill_in_flight"}
    for odd in ({}, context, context | figures | {"quantity": "ten"}, context | figures | {"last_fill_at": "now"}):
        assert cause_inputs_of(nothing, broker, odd).recent_fills == ()


def test_multipliers_come_from_both_sides() -> None:
    future = AssetType.FUTURE
    local = LocalPosition("ES", Decimal(1), None, future, multiplier=Decimal(50))
    broker_side = BrokerPosition("NQ", Decimal(50), None, None, future, multiplier=Decimal(20))
    broker = BrokerSnapshot(account=BrokerAccount("A", None, None, None, None), positions=[broker_side])
    facts = cause_inputs_of(LocalSnapshot(account_id="A", positions=[local]), broker, {})
    assert facts.multipliers == {("ES", future): Decimal(50), ("NQ", future): Decimal(20)}


def test_a_hint_that_only_the_post_fill_run_could_give_lasts_while_the_amounts_stay() -> None:
    life = Life()
    life.run(run(0, finding()), hints=CauseInputs(recent_fills=[fill("10")]))
    life.run(run(5, finding()))
    assert [kind for kind, _ in life.only.seen.hints] == ["fill_in_flight"]
    life.run(run(10, finding(broker="112")))
    assert life.only.seen.hints == ()
