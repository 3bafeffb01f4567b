"""What a broker holds must come out as it is: signs, digits, kinds, and nothing lost."""

from decimal import Decimal

import pytest

from reconciliation.broker.query import BrokerQuery, LimitedBroker
from reconciliation.errors import BadData, Incomplete
from reconciliation.models import AssetType
from tests.brokers.wire_case import Holding


async def quantities(wire, broker):
    rows = await broker.get_positions(wire.account_id)
    return [(row.symbol, row.quantity) for row in rows]


async def test_it_is_a_broker_that_says_how_hard_it_may_be_used(wire_broker):
    assert isinstance(wire_broker, BrokerQuery)
    assert isinstance(wire_broker, LimitedBroker)
    assert wire_broker.limits.concurrency >= 1


async def test_an_empty_account_is_surely_flat(wire, wire_broker):
    wire.hold()
    assert await quantities(wire, wire_broker) == []


async def test_one_holding_comes_out_whole(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "7"))
    [row] = await wire_broker.get_positions(wire.account_id)
    assert (row.symbol, row.quantity, row.asset_type) == (wire.symbols[0], Decimal(7), wire.asset_type)
    assert row.avg_cost == (Decimal("100.25") if wire.has_costs else None)


async def test_a_short_holding_is_negative(wire, wire_broker):
    if not wire.has_shorts:
        pytest.skip("this broker does not sell short")
    wire.hold(Holding(wire.symbols[0], "-7"))
    assert await quantities(wire, wire_broker) == [(wire.symbols[0], Decimal(-7))]


async def test_a_fraction_keeps_every_digit(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "0.123456789012345678"))
    [row] = await wire_broker.get_positions(wire.account_id)
    assert str(row.quantity) == "0.123456789012345678"


async def test_a_cost_keeps_every_digit(wire, wire_broker):
    if not wire.has_costs:
        pytest.skip("this broker does not say what a holding cost")
    wire.hold(Holding(wire.symbols[0], "3", "118.333333333333333333333"))
    [row] = await wire_broker.get_positions(wire.account_id)
    assert str(row.avg_cost) == "118.333333333333333333333"


async def test_a_missing_cost_is_unknown_and_not_zero(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "3", None))
    if not wire.may_lack_costs:
        with pytest.raises(Incomplete):
            await wire_broker.get_positions(wire.account_id)
        return
    [row] = await wire_broker.get_positions(wire.account_id)
    assert row.avg_cost is None


async def test_an_option_is_an_option(wire, wire_broker):
    if wire.option_symbol is None:
        pytest.skip("this broker's account holds no options")
    wire.hold(Holding(wire.option_symbol, "-2", asset_type=AssetType.OPTION))
    [row] = await wire_broker.get_positions(wire.account_id)
    assert (row.symbol, row.quantity, row.asset_type) == (wire.option_symbol, Decimal(-2), AssetType.OPTION)


async def test_several_holdings_all_come_out(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "1"), Holding(wire.symbols[1], "2"))
    assert sorted(await quantities(wire, wire_broker)) == sorted(
        [(wire.symbols[0], Decimal(1)), (wire.symbols[1], Decimal(2))]
    )


async def test_two_rows_of_one_symbol_both_count(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "5"), Holding(wire.symbols[0], "2"))
    if not wire.has_lots:
        # Where a symbol has one row by the broker's rules, a second one is not to be lost in silence.
        with pytest.raises(Incomplete):
            await wire_broker.get_positions(wire.account_id)
        return
    rows = await quantities(wire, wire_broker)
    assert {symbol for symbol, _ in rows} == {wire.symbols[0]}
    assert sum(quantity for _, quantity in rows) == 7


async def test_an_unknown_field_changes_nothing(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "7"))
    for row in wire.rows():
        row["a_field_of_tomorrow"] = {"nested": [1, None]}
    assert await quantities(wire, wire_broker) == [(wire.symbols[0], Decimal(7))]


async def test_an_unknown_word_for_the_side_is_refused_and_not_guessed(wire, wire_broker):
    if wire.unknown_side is None:
        pytest.skip("the sign is part of this broker's quantity")
    wire.hold(Holding(wire.symbols[0], "7"))
    for row in wire.rows():
        wire.unknown_side(row)
    with pytest.raises(BadData):
        await wire_broker.get_positions(wire.account_id)


async def test_figures_are_of_the_account_that_was_asked_for(wire, wire_broker):
    account = await wire_broker.get_account(wire.account_id)
    assert account.account_id == wire.account_id
    assert isinstance(account.cash, Decimal) is wire.has_cash


async def test_figures_keep_every_digit(wire, wire_broker):
    wire.hold(Holding(wire.symbols[0], "7"))
    first = await wire_broker.get_account(wire.account_id)
    assert first == await wire_broker.get_account(wire.account_id)
    for figure in (first.cash, first.total_equity, first.buying_power, first.margin_used):
        assert figure is None or figure.is_finite()
