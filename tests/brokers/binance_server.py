"""Binance on a local port: the spot wallet, USD-M futures and COIN-M futures, as far as we ask them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.models import AssetType
from tests.brokers.exchange_server import ExchangeWire
from tests.brokers.http_server import Asked, Reply
from tests.brokers.wire_case import Holding

UID = "365859102"
APIS = {
    **dict.fromkeys(("public", "private"), "/api/v3"),
    **{f"sapi{version}": f"/sapi/v{number}" for number, version in enumerate(("", "V2", "V3", "V4"), start=1)},
    **dict.fromkeys(("fapiPublic", "fapiPrivate"), "/fapi/v1"),
    **dict.fromkeys(("fapiPublicV2", "fapiPrivateV2"), "/fapi/v2"),
    **dict.fromkeys(("fapiPublicV3", "fapiPrivateV3"), "/fapi/v3"),
    **dict.fromkeys(("dapiPublic", "dapiPrivate"), "/dapi/v1"),
    "dapiPrivateV2": "/dapi/v2",
}
SECRETS = {"apiKey": "planted-binance-key-0001", "secret": "planted-binance-secret-0001"}


def spot_market(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "orderTypes": ["LIMIT"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}],
    }


def linear_market(base: str, quote: str = "USDT") -> dict[str, Any]:
    return {
        "symbol": f"{base}{quote}",
        "pair": f"{base}{quote}",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "orderTypes": ["LIMIT"],
        "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"}],
    }


def inverse_market(base: str, contract_size: int) -> dict[str, Any]:
    return {
        **linear_market(base, "USD"),
        "symbol": f"{base}USD_PERP",
        "contractStatus": "TRADING",
        "contractSize": contract_size,
        "marginAsset": base,
    }


class BinanceWire(ExchangeWire):
    exchange = "binance"
    apis = APIS
    secrets = SECRETS

    def __init__(self) -> None:
        self.linear = [linear_market("BTC"), linear_market("ETH")]
        self.answers: dict[str, Any] = {
            "/sapi/v1/capital/config/getall": [],
            "/sapi/v1/margin/allPairs": [],
            "/sapi/v1/margin/isolated/allPairs": [],
            "/api/v3/exchangeInfo": {"symbols": [spot_market("BTC"), spot_market("ETH")]},
            "/fapi/v1/exchangeInfo": {"symbols": self.linear},
            "/dapi/v1/exchangeInfo": {"symbols": [inverse_market("BTC", 100), inverse_market("ETH", 10)]},
            "/fapi/v1/leverageBracket": [],
            "/dapi/v2/leverageBracket": [],
        }
        super().__init__()

    def route(self, asked: Asked) -> Reply:
        # What is asked with a signature must carry the key.
        headers = {name.lower(): value for name, value in asked.headers.items()}
        if "signature" in asked.query and headers.get("x-mbx-apikey") != SECRETS["apiKey"]:
            return Reply({"code": -2014, "msg": "API-key format invalid."}, 401)
        if asked.path not in self.answers:
            return Reply({"code": -5000, "msg": f"Path {asked.path} is invalid"}, 404)
        return Reply(self.answers[asked.path])


class BinanceSpotWire(BinanceWire):
    positions_marker = account_marker = "/api/v3/account"
    symbols = ("BTC", "ETH")
    asset_type = AssetType.CRYPTO
    has_shorts = has_costs = has_lots = False
    options: ClassVar[Mapping[str, Any]] = {"currency": "USDT", "identity": UID}

    def __init__(self) -> None:
        super().__init__()
        self.wallet: dict[str, Any] = {
            "accountType": "SPOT",
            "canTrade": True,
            "updateTime": 1701856395927,
            "uid": UID,
        }
        self.answers["/api/v3/account"] = self.wallet
        self.hold()

    def hold(self, *holdings: Holding) -> None:
        rows = [{"asset": one.symbol, "free": one.quantity, "locked": "0.00000000"} for one in holdings]
        self.wallet["balances"] = [{"asset": "USDT", "free": "31.02261200", "locked": "0.50"}, *rows]

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.wallet["balances"][1:]
        return rows

    def become_another_account(self) -> None:
        self.wallet["uid"] = "999999999"


class BinanceSwapWire(BinanceWire):
    positions_marker = "/fapi/v3/positionRisk"
    account_marker = "/fapi/v3/account"
    symbols = ("BTC/USDT:USDT", "ETH/USDT:USDT")
    asset_type = AssetType.SWAP
    has_identity = may_lack_costs = False
    options: ClassVar[Mapping[str, Any]] = {
        "holds": "derivatives",
        "currency": "USDT",
        "balance_params": {"type": "swap"},
        "equity_path": "totalMarginBalance",
    }

    def __init__(self) -> None:
        super().__init__()
        self.open_positions: list[dict[str, Any]] = []
        self.figures: dict[str, Any] = {
            "totalMarginBalance": "31.56491562",
            "assets": [
                {
                    "asset": "USDT",
                    "walletBalance": "31.02261200",
                    "marginBalance": "31.56491562",
                    "initialMargin": "7.59",
                    "availableBalance": "23.9",
                    "updateTime": 1701270042059,
                }
            ],
            "positions": [],
        }
        self.answers[self.positions_marker] = self.open_positions
        self.answers[self.account_marker] = self.figures

    def hold(self, *holdings: Holding) -> None:
        self.open_positions[:] = map(self.row, holdings)

    def row(self, holding: Holding) -> dict[str, Any]:
        row = {
            "symbol": holding.symbol.partition(":")[0].replace("/", ""),
            "positionSide": "BOTH",
            "positionAmt": holding.quantity,
            "markPrice": "2",
            "unRealizedProfit": "0.54230362",
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": str(Decimal(holding.quantity) * 2),
            "isolatedWallet": "0",
            "updateTime": 1722062678998,
            "initialMargin": "2.39560000",
            "maintMargin": "0.07186800",
        }
        return row if holding.avg_cost is None else {**row, "entryPrice": holding.avg_cost}

    def rows(self) -> list[dict[str, Any]]:
        return self.open_positions

    def become_another_account(self) -> None:
        raise NotImplementedError
