"""Which fills may explain which differences."""

import pytest

from reconciliation.domain.breaks.break_ import BreakKey
from reconciliation.domain.breaks.fill_evidence import NO_EVIDENCE, FillActivity, FillEvidence
from reconciliation.domain.model.models import AssetType, DiscrepancyType

HOLDINGS = frozenset({"AAPL", "IBM", "BRK.B", "BRK B", "ES", "ESZ6"})
AAPL = BreakKey(account_id="A", type=DiscrepancyType.QUANTITY_MISMATCH, symbol="AAPL", asset_type=AssetType.STOCK)
CASH = BreakKey(account_id="A", type=DiscrepancyType.CASH_MISMATCH, currency="USD")


def look(last_ms=None, *, since_ms=0):
    return FillActivity(at_ms=1_000, since_ms=since_ms, last_ms=last_ms or {})


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("AAPL", FillEvidence.POSSIBLE),  # its own
        ("IBM", FillEvidence.NONE),  # another holding
        ("AAPL US", FillEvidence.POSSIBLE),  # nobody holds it by this name, so it may be ours
        (None, FillEvidence.POSSIBLE),  # a fill that does not say
    ],
)
def test_a_fill_explains_a_difference_unless_it_is_of_another_holding(symbol, said):
    assert look({symbol: 500}).since(500, AAPL, HOLDINGS) is said
    assert look({symbol: 499}).since(500, AAPL, HOLDINGS) is FillEvidence.NONE


def test_without_any_known_holding_every_fill_may_be_of_the_key():
    assert look({"IBM": 500}).since(500, AAPL, frozenset()) is FillEvidence.POSSIBLE


def test_any_fill_moves_cash_and_equity():
    assert look({"IBM": 500}).since(500, CASH, HOLDINGS) is FillEvidence.POSSIBLE
    assert look().since(500, CASH, HOLDINGS) is FillEvidence.NONE


@pytest.mark.parametrize(("key", "filled"), [("BRK.B", "BRK B"), ("ESZ6", "ES")])
def test_another_way_to_write_it_is_no_other_holding(key, filled):
    kind = AssetType.FUTURE if key == "ESZ6" else AssetType.STOCK
    held = BreakKey(account_id="A", type=DiscrepancyType.MISSING_LOCAL, symbol=key, asset_type=kind)
    assert look({filled: 500}).since(500, held, HOLDINGS) is FillEvidence.POSSIBLE


def test_a_share_is_not_explained_by_one_whose_name_it_begins_with():
    assert look({"A": 500}).since(500, AAPL, HOLDINGS | {"A"}) is FillEvidence.NONE


def test_a_memory_that_does_not_reach_back_knows_nothing():
    assert look(since_ms=501).since(500, AAPL, HOLDINGS) is FillEvidence.UNKNOWN
    assert look(since_ms=500).since(500, AAPL, HOLDINGS) is FillEvidence.NONE


def test_a_clock_that_went_back_knows_nothing():
    assert look().since(1_001, AAPL, HOLDINGS) is FillEvidence.UNKNOWN


def test_fills_that_could_not_be_looked_at_do_not_count_as_none():
    assert NO_EVIDENCE.since(500, AAPL, HOLDINGS) is FillEvidence.UNKNOWN
    assert look(since_ms=1).since(NO_EVIDENCE.at_ms, AAPL, HOLDINGS) is FillEvidence.UNKNOWN
    assert NO_EVIDENCE.since(NO_EVIDENCE.at_ms, AAPL, HOLDINGS) is FillEvidence.UNKNOWN
