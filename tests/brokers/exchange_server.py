"""What all exchanges behind ccxt share in the exam: the real ccxt, told that the exchange lives here."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.brokers.cases import SEVERAL
from tests.brokers.http_server import Asked, BrokerServer, Reply
from tests.brokers.wire_case import TIMEOUT_SECONDS, WireCase

ACCOUNT = "crypto-desk"
#: The exam's stocks as coins, and coins by the names of its many symbols.
COINS: Mapping[str, str] = {
    "AAPL": "BTC",
    "TSLA": "ETH",
    "AMZN": "SOL",
    "VTI": "DOGE",
    "MSFT": "ADA",
    "GOOG": "XRP",
    **{symbol: symbol for symbol in SEVERAL},
}


class ExchangeWire(WireCase):
    """One exchange; subclasses speak its protocol. Markets are loaded through it, too."""

    opener = "ccxt"
    account_id = ACCOUNT
    exchange: ClassVar[str]
    #: ccxt's names of the exchange's APIs, each with the path that it has there.
    apis: ClassVar[Mapping[str, str]]
    exchange_options: ClassVar[Mapping[str, Any]] = {}
    config: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.server = BrokerServer(self.route)

    @abstractmethod
    def route(self, asked: Asked) -> Reply:
        """Answer as the exchange does."""

    def options(self) -> dict[str, Any]:
        return {
            "exchange": self.exchange,
            "account_id": ACCOUNT,
            "timeout_seconds": TIMEOUT_SECONDS,
            "config": {
                "enableRateLimit": False,
                "urls": {"api": {name: self.server.url + path for name, path in self.apis.items()}},
                **self.config,
            },
            **self.exchange_options,
        }
