from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import DiscrepancyType, ReconciliationConfig, ReconciliationResult
from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.domain.model.instruments import common_form
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from reconciliation.errors import InvalidInputError

STOCK, OPTION, CRYPTO = AssetType.STOCK, AssetType.OPTION, AssetType.CRYPTO


def local_row(symbol: str, quantity: int = 10, kind: AssetType = STOCK, cost: Any = 100, **more: Any) -> LocalPosition:
    return LocalPosition(symbol, Decimal(quantity), cost, kind, **more)


def broker_row(
    symbol: str, quantity: int = 10, kind: AssetType = STOCK, cost: Any = 100, **more: Any
) -> BrokerPosition:
    return BrokerPosition(symbol, Decimal(quantity), cost, None, kind, **more)


def compare(
    local: list[LocalPosition], broker: list[BrokerPosition], *mappings: SymbolMapping, as_of: datetime | None = None
) -> ReconciliationResult:
    return conclude(
        RunRequest(account_id="A", context={}),
        ReconciliationConfig("A", max_broker_age_seconds=0),
        RunStart.now(),
        LocalSnapshot(account_id="A", positions=local),
        BrokerSnapshot(account=BrokerAccount("A", None, None, None, None), positions=broker, as_of=as_of),
        symbol_context=SymbolContext(resolver=SymbolResolver(mappings), brokers=("main", "alpaca")),
    )


def found(result: ReconciliationResult) -> list[tuple[DiscrepancyType, str | None, str | None]]:
    assert result.error is None
    return [(one.type, one.symbol, one.other_symbol) for one in result.discrepancies]


@pytest.mark.parametrize("symbol", ["BRK.B", "BRK B", "BRK-B", "BRK/B", " brk.b "])
def test_a_share_class_is_one_however_it_is_written(symbol: str) -> None:
    assert common_form(symbol, STOCK) == "BRK.B"
    assert found(compare([local_row("BRK-B")], [broker_row(symbol)])) == []


@pytest.mark.parametrize(
    "symbol",
    [
        "AAPL  260116C00202500",
        "AAPL260116C00202500",
        "O:AAPL260116C00202500",
        ".AAPL260116C202.5",
        "-AAPL260116C202.5",
        "AAPL 16JAN26 202.5 C",
    ],
)
def test_an_option_is_one_however_it_is_written(symbol: str) -> None:
    assert common_form(symbol, OPTION) == "AAPL260116C00202500"


def test_an_adjusted_option_stays_apart() -> None:
    assert common_form("AAPL1 260116C00202500", OPTION) == "AAPL1260116C00202500"
    adjusted, plain = "AAPL1 260116C00202500", "AAPL  260116C00202500"
    result = compare([local_row(plain, 10, OPTION, 5)], [broker_row(adjusted, 7, OPTION, 5)])
    assert [kind for kind, _, _ in found(result)] == [DiscrepancyType.MISSING_BROKER, DiscrepancyType.MISSING_LOCAL]


def test_an_option_of_a_share_class_has_no_separator() -> None:
    assert common_form("BRK.B 260116C00400000", OPTION) == common_form("BRKB  260116C00400000", OPTION)


@pytest.mark.parametrize("symbol", ["BTC/USD", "BTCUSD", "BTC-USD", "BTC_USD", "XXBTZUSD", "XBT/USD", "XBTUSD"])
def test_a_crypto_pair_is_one_however_it_is_written(symbol: str) -> None:
    assert common_form(symbol, CRYPTO) == "BTC/USD"


def test_what_is_not_the_same_stays_apart() -> None:
    assert common_form("BTC/USDT:USDT", CRYPTO) != common_form("BTC/USDT", CRYPTO)
    assert common_form("BTCUSDT", CRYPTO) == "BTC/USDT"
    assert common_form("BRK.A", STOCK) != common_form("BRK.B", STOCK)
    assert common_form("EUR.USD", AssetType.FOREX) == common_form("EURUSD", AssetType.FOREX)
    assert common_form("ESZ6", AssetType.FUTURE) == "ESZ6"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=25), st.sampled_from(AssetType))
def test_a_form_is_stable_whatever_the_symbol(symbol: str, kind: AssetType) -> None:
    form = common_form(symbol, kind)
    assert common_form(form, kind) == form


def test_a_finding_has_the_name_of_our_book() -> None:
    result = compare([local_row("BRK-B", 10)], [broker_row("BRK B", 7)])
    assert found(result) == [(DiscrepancyType.QUANTITY_MISMATCH, "BRK-B", None)]
    assert result.positions_checked == 1


def test_several_spellings_on_one_side_are_added_up() -> None:
    assert found(compare([local_row("BRK.B", 10)], [broker_row("BRK B", 4), broker_row("BRK.B", 6)])) == []
    assert found(compare([local_row("BRK.B", 4), local_row("BRK-B", 6)], [broker_row("BRK B", 10)])) == []


def test_the_mapping_table_comes_first_and_keeps_to_its_days() -> None:
    mapping = SymbolMapping(
        broker="alpaca", broker_symbol="FB", local_symbol="META", valid_from=date(2022, 1, 1), valid_to=date(2022, 6, 8)
    )
    on = datetime(2022, 6, 8, tzinfo=UTC)
    after = datetime(2022, 6, 9, tzinfo=UTC)
    books: Any = ([local_row("META", 10, cost=1)], [broker_row("FB", 10, cost=500)])
    assert found(compare(*books, mapping, as_of=on)) == [(DiscrepancyType.COST_MISMATCH, "META", None)]
    assert len(found(compare(*books, mapping, as_of=after))) == 2


def test_of_mappings_the_narrower_one_wins() -> None:
    resolver = SymbolResolver(
        [
            SymbolMapping(broker="*", broker_symbol="X", local_symbol="ANY"),
            SymbolMapping(broker="alpaca", broker_symbol="X", local_symbol="ALPACA"),
            SymbolMapping(broker="alpaca", broker_symbol="X", local_symbol="OPTION", asset_type=OPTION),
        ]
    )
    day = date(2026, 1, 1)
    assert resolver.mapped("X", STOCK, ["ibkr"], day) == "ANY"
    assert resolver.mapped("X", STOCK, ["main", "alpaca"], day) == "ALPACA"
    assert resolver.mapped("X", OPTION, ["alpaca"], day) == "OPTION"
    assert resolver.mapped("Y", STOCK, ["alpaca"], day) is None


def test_a_mapped_symbol_that_we_do_not_hold_is_missing_under_our_name() -> None:
    mapping = SymbolMapping(broker="*", broker_symbol="X", local_symbol="OURS")
    result = compare([local_row("OTHER", 10)], [broker_row("X", 10)], mapping)
    assert found(result) == [
        (DiscrepancyType.MISSING_LOCAL, "OURS", None),
        (DiscrepancyType.MISSING_BROKER, "OTHER", None),
    ] or found(result) == [
        (DiscrepancyType.MISSING_BROKER, "OTHER", None),
        (DiscrepancyType.MISSING_LOCAL, "OURS", None),
    ]


@pytest.mark.parametrize(
    ("mine", "other", "same"),
    [
        ({"conid": "1"}, {"conid": "1"}, True),
        ({"figi": "BBG1"}, {"figi": "bbg1 "}, True),
        ({"cusip": "037833100"}, {"cusip": "037833100"}, True),
        ({"isin": "US1"}, {"isin": "US1"}, True),
        ({"isin": "US1"}, {"isin": "US2"}, False),
        ({"conid": "1", "isin": "US1"}, {"isin": "US1"}, True),
    ],
)
def test_equal_strong_identifiers_are_one_instrument(mine: Any, other: Any, same: bool) -> None:
    result = compare(
        [local_row("OURS", 10, cost=1, identifiers=mine, currency="USD")],
        [broker_row("THEIRS", 10, cost=1, identifiers=other, currency="USD")],
    )
    assert found(result) == ([] if same else found(result))
    assert len(result.discrepancies) == (0 if same else 2)


def test_an_isin_speaks_only_with_its_currency_and_never_for_a_derivative() -> None:
    isin = {"isin": "US1"}
    local, broker = (
        local_row("A", 1, cost=1, identifiers=isin, currency="USD"),
        broker_row("B", 2, cost=1, identifiers=isin),
    )
    assert len(found(compare([local], [broker]))) == 2
    call = local_row("X260116C00001000", 1, OPTION, 1, identifiers=isin, currency="USD")
    put = broker_row("X260116P00001000", 2, OPTION, 1, identifiers=isin, currency="USD")
    assert len(found(compare([call], [put]))) == 2


@pytest.mark.parametrize("cost", [100, None])
def test_an_equal_quantity_is_a_hint_that_hides_no_finding(cost: int | None) -> None:
    result = compare(
        [local_row("SHOP.TO"), local_row("AAPL")], [broker_row("AAPL"), broker_row("SHOPIFY CA", cost=cost)]
    )
    assert found(result) == [
        (DiscrepancyType.MISSING_BROKER, "SHOP.TO", "SHOPIFY CA"),
        (DiscrepancyType.MISSING_LOCAL, "SHOPIFY CA", "SHOP.TO"),
    ]


def test_an_equal_quantity_resolves_nothing() -> None:
    tesla = broker_row("TSLA", 100, cost=None)
    before = compare([], [tesla])
    after = compare([local_row("AAPL", 100)], [tesla])
    assert (DiscrepancyType.MISSING_LOCAL, "TSLA") in [(one.type, one.symbol) for one in before.discrepancies]
    assert (DiscrepancyType.MISSING_LOCAL, "TSLA") in [(one.type, one.symbol) for one in after.discrepancies]
    assert len(after.discrepancies) == 2


@pytest.mark.parametrize(
    ("local", "broker"),
    [
        ([local_row("FOO", 10)], [broker_row("BAR", 9)]),  # not as many
        ([local_row("FOO", 10)], [broker_row("BAR", -10)]),
        ([local_row("FOO", 10)], [broker_row("BAR", 10, CRYPTO)]),
        ([local_row("AAPL", 10, cost=100)], [broker_row("MSFT", 10, cost=400)]),  # neither cost nor name is alike
        ([local_row("FOO", 10, identifiers={"figi": "1"})], [broker_row("BAR", 10, identifiers={"figi": "2"})]),
    ],
)
def test_two_holdings_that_differ_stay_two_findings(local: list[LocalPosition], broker: list[BrokerPosition]) -> None:
    result = compare(local, broker)
    assert {kind for kind, _, other in found(result) if other is None} == {
        DiscrepancyType.MISSING_BROKER,
        DiscrepancyType.MISSING_LOCAL,
    }


def test_no_guess_is_made_among_several() -> None:
    result = compare([local_row("FOO"), local_row("BAZ")], [broker_row("BAR"), broker_row("QUX")])
    assert len(result.discrepancies) == 4


def test_many_holdings_of_one_quantity_cost_no_time() -> None:
    local = [local_row(f"L{number}") for number in range(3000)]
    broker = [broker_row(f"B{number}") for number in range(3000)]
    assert len(compare(local, broker).discrepancies) == 6000


def test_a_row_that_cannot_be_read_makes_the_run_incomplete_as_without_names() -> None:
    class Broken:
        symbol, quantity, avg_cost, asset_type = "X", "many", None, STOCK

    result = compare([Broken()], [broker_row("Y")])  # type: ignore[list-item]
    assert result.error is not None
    assert "position 'X'" in result.error.message


def test_a_mapping_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="needs a local_symbol"):
        SymbolMapping(broker="*", broker_symbol="X", local_symbol=" ")
    with pytest.raises(InvalidInputError, match="ends on 2025-01-01, before it begins"):
        SymbolMapping(
            broker="*", broker_symbol="X", local_symbol="Y", valid_from=date(2026, 1, 1), valid_to=date(2025, 1, 1)
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["AAPL", "BRK.B", "BRK-B", "BTC/USD", "MSFT"]), max_size=6), st.data())
def test_a_book_and_its_respelled_copy_are_clean(symbols: list[str], data: st.DataObject) -> None:
    spellings = {"BRK.B": ["BRK B", "BRK/B", "BRK-B", "BRK.B"]}
    local = [local_row(symbol, number + 1) for number, symbol in enumerate(symbols)]
    broker = [
        broker_row(data.draw(st.sampled_from(spellings.get(symbol.replace("-", "."), [symbol]))), number + 1)
        for number, symbol in enumerate(symbols)
    ]
    assert found(compare(local, broker)) == []


def test_a_contract_of_another_size_is_another_contract() -> None:
    call, padded = "AAPL260116C00200000", "AAPL  260116C00200000"
    ten = broker_row(padded, 10, OPTION, 5, multiplier=10)
    hundred = local_row(call, 10, OPTION, 5, multiplier=100)
    assert found(compare([hundred], [ten])) == [
        (DiscrepancyType.MISSING_LOCAL, f"{padded} x10", call),
        (DiscrepancyType.MISSING_BROKER, call, f"{padded} x10"),
    ]
    assert found(compare([hundred], [broker_row(padded, 10, OPTION, 5, multiplier=Decimal("100.0"))])) == []
    assert found(compare([hundred], [broker_row(padded, 10, OPTION, 5)])) == []
    assert found(compare([local_row("AAPL", multiplier=1)], [broker_row("AAPL", multiplier=100)])) == []
