"""Every broker that is asked over HTTP. A new one joins the wire suite by one line here."""

from tests.brokers.alpaca_server import AlpacaBrokerApiWire, AlpacaWire
from tests.brokers.binance_server import BinanceSpotWire, BinanceSwapWire
from tests.brokers.hyperliquid_server import HyperliquidWire
from tests.brokers.kraken_server import KrakenMarginWire
from tests.brokers.oanda_server import OandaWire

WIRE_CASES = {
    "alpaca": AlpacaWire,
    "alpaca broker api": AlpacaBrokerApiWire,
    "ccxt binance spot": BinanceSpotWire,
    "ccxt binance swap": BinanceSwapWire,
    "ccxt kraken margin": KrakenMarginWire,
    "ccxt hyperliquid": HyperliquidWire,
    "oanda (a package of its own)": OandaWire,
}
