"""Recorded and official answers, served as they are and read by the real SDK: digit for digit."""

from decimal import Decimal

from reconciliation.domain.model.models import AssetType
from tests.brokers.alpaca_server import AlpacaWire
from tests.brokers.binance_server import BinanceSpotWire, BinanceSwapWire
from tests.brokers.hyperliquid_server import HyperliquidWire
from tests.brokers.kraken_server import KrakenMarginWire
from tests.contract.samples import load_sample


def digits(rows):
    """Return what was read as text: 5.0 is not 5 here."""
    return [(row.symbol, str(row.quantity), row.avg_cost and str(row.avg_cost), str(row.market_value)) for row in rows]


async def test_alpaca_positions(opened):
    case = AlpacaWire()
    case.positions = load_sample("alpaca/positions.json")
    assert digits(await opened(case).get_positions(case.account_id)) == [
        ("AAPL", "5", "100.0", "600.0"),
        ("AAPL", "2", "174.78", "348.58"),
    ]


async def test_alpaca_account(opened):
    case = AlpacaWire()
    case.account = load_sample("alpaca/account.json")
    account = await opened(case).get_account("PALPACA_123")
    figures = (account.cash, account.buying_power, account.total_equity, account.margin_used)
    assert [str(figure) for figure in figures] == ["122086.5", "245432.61", "123346.11", "629.8"]
    assert account.currency == "USD"


async def test_binance_spot_balance(opened):
    case = BinanceSpotWire()
    case.answers["/api/v3/account"] = load_sample("ccxt/binance__fetchBalance__spot.json")["httpResponse"]
    broker = opened(case)
    rows = await broker.get_positions(case.account_id)
    assert [(row.symbol, row.quantity) for row in rows] == [
        ("ETH", Decimal("0.02229833")),
        ("LTC", Decimal("0.919741")),
    ]
    assert {row.asset_type for row in rows} == {AssetType.CRYPTO}
    assert (await broker.get_account(case.account_id)).cash == 0


async def test_binance_swap_balance(opened):
    case = BinanceSwapWire()
    case.answers[case.account_marker] = load_sample("ccxt/binance__fetchBalance__linear_swap.json")["httpResponse"]
    account = await opened(case).get_account(case.account_id)
    assert str(account.cash) == "31.02261200"
    assert str(account.total_equity) == "31.02261200"


async def test_binance_positions_of_the_account_endpoint(opened):
    case = BinanceSwapWire()
    recorded = load_sample("ccxt/binance__fetchPositions__linear_account.json")["httpResponse"]
    case.answers[case.account_marker] = recorded
    broker = opened(case, position_params=[{"method": "account"}])
    assert digits(await broker.get_positions(case.account_id)) == [("BTC/USDT:USDT", "0.009", None, "607.55548506")]
    account = await broker.get_account(case.account_id)
    assert {code: str(amount) for code, amount in account.cash_by_currency.items()} == {
        "USDT": "3.72964781",
        "USDC": "22.00000000",
        # Stated as zero, which is not the same as not stated.
        "BNB": "0E-8",
        "BTC": "0E-8",
        "ETH": "0E-8",
        "FDUSD": "0E-8",
    }


async def test_hyperliquid_positions(opened):
    case = HyperliquidWire()
    recorded = load_sample("ccxt/hyperliquid__fetchPositions__short.json")["httpResponse"]
    case.answers["clearinghouseState"] = recorded
    broker = opened(case)
    assert digits(await broker.get_positions(case.account_id)) == [
        ("SOL/USDC:USDC", "-0.5", "138.76", "-68.98"),
        ("ETH/USDC:USDC", "1.6", "1100.0", "3819.2"),
    ]
    assert str((await broker.get_account(case.account_id)).total_equity) == "11524.216934"


async def test_kraken_margin_positions(opened):
    case = KrakenMarginWire()
    case.open_positions[:] = load_sample("ccxt/kraken__fetchPositions__margin_short.json")["httpResponse"]["result"]
    assert digits(await opened(case).get_positions(case.account_id)) == [
        ("ADA/USDT", "-10.00000000", None, "None"),
    ]
