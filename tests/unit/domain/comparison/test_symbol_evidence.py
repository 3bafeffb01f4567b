"""No finding disappears unless the rule of evidence says so: random books with two names and equal quantities."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import Comparator, Discrepancy, ReconciliationConfig
from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)

MAPPING = SymbolMapping(broker="*", broker_symbol="FB", local_symbol="META")
SPELLINGS = {"BRK B": "BRK.B", "BRK-B": "BRK.B"}
OF_THE_UNDERLYING = {"isin", "cusip"}

_rows = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["AAPL", "TSLA", "FB", "META", "BRK.B", "BRK B", "BRK-B"]),
        "quantity": st.sampled_from([Decimal(10), Decimal(-10), Decimal(5)]),
        "avg_cost": st.sampled_from([None, Decimal(100), Decimal("100.5"), Decimal(300)]),
        "asset_type": st.sampled_from([AssetType.STOCK, AssetType.OPTION]),
        "currency": st.sampled_from([None, "USD", "EUR"]),
        "identifiers": st.dictionaries(
            st.sampled_from(["conid", "isin", "cusip", "figi"]), st.sampled_from(["1", "2"]), max_size=2
        ),
    }
)
_books = st.lists(_rows, max_size=5)


def evidence(row: dict[str, Any], side: str) -> set[tuple[Any, ...]]:
    """Write the rule down a second time, as plainly as can be."""
    kind = row["asset_type"]
    symbol = "META" if side == "broker" and row["symbol"] == "FB" else row["symbol"]
    named = {(kind, "name", SPELLINGS.get(symbol, symbol) if kind is AssetType.STOCK else symbol)}
    if side == "broker" and row["symbol"] == "FB":
        return named  # the mapping table comes first
    for name, value in row["identifiers"].items():
        if kind is AssetType.OPTION and name in OF_THE_UNDERLYING:
            continue
        if name == "isin" and row["currency"] is None:
            continue
        named.add((kind, name, value, row["currency"] if name == "isin" else None))
    return named


def instruments(local: list[dict[str, Any]], broker: list[dict[str, Any]]) -> list[list[tuple[str, dict[str, Any]]]]:
    """Group all rows that evidence connects, directly or by other rows."""
    groups: list[tuple[set[tuple[Any, ...]], list[tuple[str, dict[str, Any]]]]] = []
    for side, rows in (("local", local), ("broker", broker)):
        for row in rows:
            marks, members = evidence(row, side), [(side, row)]
            for group in [group for group in groups if group[0] & marks]:
                groups.remove(group)
                marks, members = marks | group[0], members + group[1]
            groups.append((marks, members))
    return [members for _, members in groups]


def findings(local: list[dict[str, Any]], broker: list[dict[str, Any]]) -> list[Discrepancy]:
    result = conclude(
        RunRequest(account_id="A", context={}),
        ReconciliationConfig("A"),
        RunStart.now(),
        LocalSnapshot(account_id="A", positions=[LocalPosition(**row) for row in local]),
        BrokerSnapshot(
            account=BrokerAccount("A", None, None, None, None),
            positions=[BrokerPosition(**row, market_value=None) for row in broker],
        ),
        symbol_context=SymbolContext(resolver=SymbolResolver([MAPPING]), brokers=("b",)),
    )
    assert result.error is None
    return result.discrepancies


@settings(max_examples=400, deadline=None)
@given(_books, _books)
def test_an_instrument_whose_sides_differ_has_a_finding(
    local: list[dict[str, Any]], broker: list[dict[str, Any]]
) -> None:
    found = {(one.symbol, one.asset_type) for one in findings(local, broker)}
    for members in instruments(local, broker):
        difference = sum(row["quantity"] if side == "broker" else -row["quantity"] for side, row in members)
        names = {(row["symbol"], row["asset_type"]) for _, row in members}
        names |= {("META", kind) for symbol, kind in names if symbol == "FB"}
        assert not difference or names & found


@settings(max_examples=400, deadline=None)
@given(_books, _books)
def test_a_finding_of_the_plain_names_disappears_only_where_another_row_shares_its_evidence(
    local: list[dict[str, Any]], broker: list[dict[str, Any]]
) -> None:
    plain = Comparator(ReconciliationConfig("A")).compare_positions(
        [LocalPosition(**row) for row in local], [BrokerPosition(**row, market_value=None) for row in broker]
    )
    kept = {(one.symbol, one.asset_type) for one in findings(local, broker)}
    together = defaultdict(set)
    for members in instruments(local, broker):
        names = {(row["symbol"], row["asset_type"]) for _, row in members}
        for name in names:
            together[name] |= names
    for one in plain:
        key = (one.symbol, one.asset_type)
        assert key in kept or len(together[key]) > 1 or one.symbol == "FB"
