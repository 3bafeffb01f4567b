"""Real and realistic files from elsewhere, where they are at hand; every figure here was read from them by eye."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from tests.support.places import ROOT

_BESIDE = ROOT.parent / "shared" / "samples"
SAMPLES = Path(os.environ.get("BROKER_SAMPLES", _BESIDE))

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples: set BROKER_SAMPLES to their folder")


def read(name: str) -> Statement:
    (statement,) = read_statements(StatementSource(path=SAMPLES / name))
    return statement


def quantities(statement: Statement) -> dict[str, Decimal]:
    return {row.symbol: row.quantity for row in statement.positions or ()}


@pytest.mark.parametrize(
    ("name", "cash", "equity", "expected"),
    [
        (
            "ibkr_flex/activity_backfill.xml",
            "95000",
            "162500",
            {"AAPL": "120", "MSFT": "50", "NVDA": "5", "AAPL  250117C00260000": "5"},
        ),
        (
            "ibkr_flex/activity_daily_portfolio.xml",
            "150000.50",
            "425526.00",
            {"AAPL": "500", "TSLA": "-200", "RY": "1000", "AAPL  250221C00190000": "50", "ESH5": "10"},
        ),
        ("ibkr_flex/activity_fractional_shares.xml", None, None, {"AMZN": "1.25"}),
        ("ibkr_flex/activity_futures.xml", None, None, {"ESH5": "2", "NQH5": "-1", "GCG5": "1"}),
        ("ibkr_flex/activity_options.xml", None, None, {"AAPL  250221C00180000": "1", "TSLA  250221P00200000": "-2"}),
        (
            "ofx/fidelity.ofx",
            "18073.98",
            None,
            {"SDRL": "128", "CLCT": "70.573", "HI": "115", "INTC": "100.911", "RHT": "50", "XIN": "390.909"},
        ),
        ("ofx/td_ameritrade.ofx", "0", None, {"AMZN": "1", "912810RW0": "1000"}),
        ("ofx/vanguard.ofx", None, None, {"012345678": "244.2"}),
    ],
)
def test_a_sample_is_read_with_its_values(
    name: str, cash: str | None, equity: str | None, expected: dict[str, str]
) -> None:
    statement = read(name)

    assert quantities(statement) == {symbol: Decimal(quantity) for symbol, quantity in expected.items()}
    assert statement.account.cash == (None if cash is None else Decimal(cash))
    assert statement.account.total_equity == (None if equity is None else Decimal(equity))


def test_the_newest_of_three_days_is_read() -> None:
    statement = read("ibkr_flex/activity_backfill.xml")

    assert f"{statement.as_of:%Y-%m-%d}" == "2025-01-03"


def test_multipliers_and_costs_per_unit_are_read() -> None:
    rows = {row.symbol: row for row in read("ibkr_flex/activity_daily_portfolio.xml").positions or ()}

    assert rows["AAPL  250221C00190000"].multiplier == 100
    assert rows["AAPL  250221C00190000"].avg_cost == Decimal("2.50")
    assert (rows["ESH5"].multiplier, rows["ESH5"].market_value) == (50, 2975125)
    assert rows["RY"].currency == "CAD"


def test_the_same_cusip_twice_is_one_position_with_both_values() -> None:
    (held,) = read("ofx/vanguard.ofx").positions or ()

    assert (held.quantity, held.market_value) == (Decimal("244.2"), Decimal("24479.72"))


def test_balances_without_a_position_list_do_not_say_flat() -> None:
    statement = read("ofx/investment_medium.ofx")

    assert statement.positions is None
    assert (statement.account.cash, statement.account.currency) == (1, "CAD")
