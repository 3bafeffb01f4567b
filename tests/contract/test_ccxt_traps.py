"""Traps of single exchanges, through the real ccxt."""

from decimal import Decimal

import pytest

from reconciliation.domain.model.models import AssetType
from reconciliation.errors import AuthError, BadData, Incomplete, RateLimited, Unavailable
from tests.brokers.binance_markets import linear_market
from tests.brokers.binance_server import BinanceSpotWire, BinanceSwapWire
from tests.brokers.cases import held
from tests.brokers.http_server import Fault, Reply
from tests.brokers.hyperliquid_server import HyperliquidWire
from tests.brokers.kraken_server import KrakenMarginWire
from tests.brokers.wire_case import holding


def refuse(case, reply):
    case.server.faults = {case.positions_marker: Fault(reply=reply), case.account_marker: Fault(reply=reply)}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("EAPI:Invalid key", AuthError),
        ("EGeneral:Permission denied", AuthError),
        ("EAPI:Rate limit exceeded", RateLimited),
        ("EAPI:Invalid nonce", Unavailable),
        ("EService:Unavailable", Unavailable),
        ("EGeneral:Internal error", Unavailable),
        ("EGeneral:Invalid arguments", BadData),
    ],
)
async def test_kraken_refuses_with_200_and_a_word(opened, error, kind):
    case = KrakenMarginWire()
    broker = opened(case)
    refuse(case, Reply({"error": [error]}))
    for read in (broker.get_positions, broker.get_account):
        with pytest.raises(kind):
            await read(case.account_id)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, -2015, AuthError),
        (400, -1021, Unavailable),
        (400, -1102, BadData),
        (418, -1003, RateLimited),
        (429, -1003, RateLimited),
    ],
)
async def test_binance_refuses_with_a_code(opened, status, code, kind):
    case = BinanceSwapWire()
    broker = opened(case)
    refuse(case, Reply({"code": code, "msg": "no"}, status, {"Retry-After": "9"}))
    with pytest.raises(kind) as caught:
        await broker.get_positions(case.account_id)
    assert getattr(caught.value, "retry_after_seconds", 9) == 9


async def test_kraken_s_closed_part_of_a_position_is_not_held_any_more(opened):
    case = KrakenMarginWire()
    case.hold(holding("ADA/USDT", "-10"))
    case.open_positions[0]["vol_closed"] = "2.5"
    [row] = await opened(case).get_positions(case.account_id)
    assert row.quantity == Decimal("-7.5")


async def test_numbers_that_an_exchange_sends_bare_keep_their_digits(opened):
    case = KrakenMarginWire()
    body = '{"error": [], "result": {"ADA": {"balance": 0.123456789012345678, "hold_trade": 0}}}'
    case.server.faults = {case.account_marker: Fault(reply=Reply(body))}
    [row] = await opened(case).get_positions(case.account_id)
    assert str(row.quantity) == "0.123456789012345678"


async def test_a_wallet_and_its_margin_positions_are_one_account(opened):
    case = KrakenMarginWire()
    case.wallet["ADA"] = {"balance": "25.5", "hold_trade": "0"}
    case.hold(holding("ADA/USDT", "-10"))
    rows = await opened(case).get_positions(case.account_id)
    assert [(row.symbol, row.quantity) for row in rows] == [("ADA", Decimal("25.5")), ("ADA/USDT", Decimal(-10))]


async def test_inverse_contracts_stay_contracts_and_linear_ones_become_base_units(opened):
    case = BinanceSwapWire()
    case.answers["/dapi/v1/positionRisk"] = [
        {**case.row(holding("BTC/USD:BTC", "-3", "60000.5")), "symbol": "BTCUSD_PERP", "notionalValue": "-0.005"}
    ]
    case.hold(holding("BTC/USDT:USDT", "0.009"))
    broker = opened(case, position_params=[{"subType": "linear"}, {"subType": "inverse"}])
    rows = {row.symbol: row for row in await broker.get_positions(case.account_id)}
    linear, inverse = rows["BTC/USDT:USDT"], rows["BTC/USD:BTC"]
    assert (linear.quantity, linear.multiplier, linear.currency) == (Decimal("0.009"), 1, "USDT")
    assert (inverse.quantity, inverse.multiplier, inverse.currency) == (-3, 100, "USD")
    assert inverse.market_value is None


async def test_both_sides_of_a_hedged_market_come_out(opened):
    case = BinanceSwapWire()
    case.hold(holding("BTC/USDT:USDT", "0.5"), holding("BTC/USDT:USDT", "-0.2"))
    for row, side in zip(case.open_positions, ("LONG", "SHORT"), strict=True):
        row["positionSide"] = side
    rows = await opened(case).get_positions(case.account_id)
    assert sorted(row.quantity for row in rows) == [Decimal("-0.2"), Decimal("0.5")]


async def test_options_beside_futures_come_out_signed_and_in_contracts(opened):
    case = BinanceSwapWire()
    case.hold(holding("BTC/USDT:USDT", "0.5"))
    case.open_options[:] = [case.option_row(held("BTC/USDT:USDT-250221-80000-C", "-0.1", "1000", "105.00138"))]
    future, option = await opened(case).get_positions(case.account_id)
    assert (future.asset_type, future.quantity) == (AssetType.SWAP, Decimal("0.5"))
    assert (option.asset_type, option.quantity, option.multiplier) == (AssetType.OPTION, Decimal("-0.1"), 1)
    assert (option.avg_cost, option.market_value) == (1000, Decimal("-105.00138"))


async def test_an_option_whose_side_and_sign_disagree_is_refused(opened):
    case = BinanceSwapWire()
    case.open_options[:] = [case.option_row(held("BTC/USDT:USDT-250221-80000-C", "-0.1", "1000", "105"))]
    case.open_options[0]["side"] = "LONG"
    with pytest.raises(BadData):
        await opened(case).get_positions(case.account_id)


async def test_flat_rows_are_no_positions(opened):
    case = BinanceSwapWire()
    case.hold(holding("BTC/USDT:USDT", "0"), holding("ETH/USDT:USDT", "1"))
    [row] = await opened(case).get_positions(case.account_id)
    assert row.symbol == "ETH/USDT:USDT"


async def test_two_questions_that_overlap_are_refused_and_not_counted_twice(opened):
    case = BinanceSwapWire()
    case.hold(holding("BTC/USDT:USDT", "1"))
    with pytest.raises(BadData, match="counts twice"):
        await opened(case, position_params=[{}, {"subType": "linear"}]).get_positions(case.account_id)


async def test_a_position_in_a_market_that_is_not_listed_is_refused(opened):
    case = BinanceSwapWire()
    broker = opened(case)
    await broker.get_positions(case.account_id)
    case.hold(holding("NEW/USDT:USDT", "1"))
    with pytest.raises(BadData, match="no such market"):
        await broker.get_positions(case.account_id)


async def test_a_market_that_is_listed_since_is_found(opened):
    case = BinanceSwapWire()
    broker = opened(case, markets_reload_seconds=0)
    await broker.get_positions(case.account_id)
    case.linear.append(linear_market("NEW"))
    case.hold(holding("NEW/USDT:USDT", "1"))
    [row] = await broker.get_positions(case.account_id)
    assert row.symbol == "NEW/USDT:USDT"


async def test_a_borrowed_coin_is_less_than_nothing(opened):
    case = BinanceSpotWire()
    case.answers["/sapi/v1/margin/account"] = {
        "userAssets": [
            {"asset": "BTC", "free": "0.10", "locked": "0", "borrowed": "0.35", "interest": "0.001"},
            {"asset": "USDT", "free": "10", "locked": "0", "borrowed": "4", "interest": "0"},
        ]
    }
    broker = opened(case, balance_params={"type": "margin"}, identity=None)
    [row] = await broker.get_positions(case.account_id)
    assert (row.symbol, row.quantity) == ("BTC", Decimal("-0.251"))
    assert (await broker.get_account(case.account_id)).cash == 6


async def test_a_row_that_ccxt_drops_is_missed(opened):
    case = BinanceSwapWire()
    case.answers[case.account_marker] = {
        "assets": [],
        "positions": [{"symbol": "BTCUSDT", "positionAmt": "0.009", "notional": "600", "maintMargin": "2"}],
    }
    broker = opened(case, position_params=[{"method": "account"}])
    with pytest.raises(Incomplete, match="lists 1 holdings, of which ccxt shows 0"):
        await broker.get_positions(case.account_id)


async def test_accounts_of_one_login_are_distinguished_by_their_parameters(opened):
    case = HyperliquidWire()
    first, second = "0x" + "1" * 40, "0x" + "2" * 40
    accounts = {"alpha": {"user": first}, "beta": {"user": second}}
    broker = opened(case, account_id=None, accounts=accounts)
    await broker.get_positions("alpha")
    await broker.get_positions("beta")
    asked = [one.form() for one in case.server.asked]
    assert [form["user"] for form in asked if form["type"] == "clearinghouseState"] == [first, second]
    with pytest.raises(BadData, match="'gamma'"):
        await broker.get_positions("gamma")


async def test_a_login_that_cannot_load_markets_says_why(opened):
    case = BinanceSwapWire()
    case.server.faults = {"/fapi/v1/exchangeInfo": Fault(reply=Reply("", 429, {"Retry-After": "5"}))}
    broker = opened(case)
    with pytest.raises(RateLimited):
        await broker.get_positions(case.account_id)
    case.server.faults = {}
    assert await broker.get_positions(case.account_id) == []
