"""Every broker that sits the entrance exam. A new one joins by one line here."""

from collections.abc import Mapping

from tests.brokers.alpaca_server import AlpacaBrokerApiWire, AlpacaWire
from tests.brokers.binance_server import BinanceMarginWire, BinanceSpotWire, BinanceSwapWire
from tests.brokers.cases import BrokerCase
from tests.brokers.folder_cases import in_folder
from tests.brokers.format_cases import FORMAT_CASES
from tests.brokers.hyperliquid_server import HyperliquidWire
from tests.brokers.ibkr_case import IbkrCase
from tests.brokers.kraken_server import KrakenMarginWire
from tests.brokers.oanda_server import OandaWire
from tests.brokers.statement_cases import PaperFileCase
from tests.brokers.wire_case import HttpCase

#: Brokers that are asked over HTTP: they sit the finer shades of a failing wire, too.
HTTP_CASES: Mapping[str, HttpCase] = {
    "alpaca": HttpCase(AlpacaWire),
    "alpaca broker api": HttpCase(AlpacaBrokerApiWire),
    "ccxt binance spot": HttpCase(BinanceSpotWire),
    "ccxt binance margin": HttpCase(BinanceMarginWire),
    "ccxt binance swap": HttpCase(BinanceSwapWire),
    "ccxt kraken margin": HttpCase(KrakenMarginWire),
    "ccxt hyperliquid": HttpCase(HyperliquidWire),
    "oanda (a package of its own)": HttpCase(OandaWire),
}
BROKER_CASES: Mapping[str, BrokerCase] = {
    **HTTP_CASES,
    "ibkr": IbkrCase(),
    **FORMAT_CASES,
    "paper file": PaperFileCase(),
    **{f"folder of {name}": in_folder(case) for name, case in FORMAT_CASES.items()},
}
