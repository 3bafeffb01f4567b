"""A finding is shown in one way, by whichever command."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from reconciliation import Discrepancy, DiscrepancySeverity, DiscrepancyType, ReconciliationResult
from reconciliation.cli.run_view import finding_line, print_run
from reconciliation.domain.model.models import AssetType, ValueAtStake, ValueBasis
from reconciliation.messages.runs import discrepancy_payload, result_payload

NOW = datetime(2026, 11, 20, tzinfo=UTC)
FOUND = [
    Discrepancy(
        type=DiscrepancyType.QUANTITY_MISMATCH,
        severity=DiscrepancySeverity.CRITICAL,
        symbol="AAPL",
        asset_type=AssetType.STOCK,
        local_value=Decimal(120),
        broker_value=Decimal("100.5"),
        timestamp=NOW,
        account_id="A",
        value=ValueAtStake(amount=Decimal("97.50"), currency="USD", basis=ValueBasis.MARKET_VALUE),
    ),
    Discrepancy(
        type=DiscrepancyType.MISSING_BROKER,
        severity=DiscrepancySeverity.CRITICAL,
        symbol="META",
        asset_type=AssetType.STOCK,
        other_symbol="FB",
        local_value=Decimal(7),
        broker_value=None,
        timestamp=NOW,
        account_id="A",
    ),
]


def test_a_run_shows_kind_difference_and_the_broker_s_other_name(capsys: pytest.CaptureFixture[str]) -> None:
    result = ReconciliationResult("A", NOW, False, FOUND, 2, 1.0, {})
    print_run(result_payload(result), [discrepancy_payload(uuid4(), found) for found in FOUND])

    assert capsys.readouterr().out.splitlines()[:3] == [
        "severity  type               symbol              asset type  local  broker  difference  value at stake",
        "critical  quantity_mismatch  AAPL                stock         120   100.5       -19.5  97.50 USD",
        "critical  missing_broker     META (broker: FB?)  stock           7       -           -  -",
    ]


def test_a_finding_in_one_line_says_the_other_name_too() -> None:
    line = finding_line(discrepancy_payload(uuid4(), FOUND[1]))
    assert line == "A: critical missing_broker META (broker: FB?) local=7 broker=-"


def test_a_run_that_changed_no_break_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    result = ReconciliationResult("A", NOW, True, [], 2, 1.0, {})
    print_run(result_payload(result), [], "older_read")
    assert capsys.readouterr().out.endswith("no break was changed: an earlier run of this account had newer data\n")
