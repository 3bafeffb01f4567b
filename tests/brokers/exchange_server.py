"""What all exchanges behind ccxt share in the exam: the real ccxt, told that the exchange lives here."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from reconciliation.broker.ccxt.adapter import open_ccxt
from reconciliation.broker.query import BrokerQuery
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

    account_id = ACCOUNT
    exchange: ClassVar[str]
    #: ccxt's names of the exchange's APIs, each with the path that it has there.
    apis: ClassVar[Mapping[str, str]]
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        self.server = BrokerServer(self.route)

    @abstractmethod
    def route(self, asked: Asked) -> Reply:
        """Answer as the exchange does."""

    def open(self, timeout_seconds: float = TIMEOUT_SECONDS, **changes: Any) -> BrokerQuery:
        options = {
            "exchange": self.exchange,
            "account_id": ACCOUNT,
            "timeout_seconds": timeout_seconds,
            "config": {
                "enableRateLimit": False,
                "urls": {"api": {name: self.server.url + path for name, path in self.apis.items()}},
            },
            **self.options,
            **changes,
        }
        return open_ccxt({name: value for name, value in options.items() if value is not None}, self.secrets)
