"""Binance on a local port: the spot wallet, USD-M futures and COIN-M futures, as far as we ask them."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import Incomplete, ReadError
from tests.brokers.binance_markets import (
    delivery_market,
    inverse_market,
    linear_market,
    option_market,
    spot_market,
)
from tests.brokers.cases import CannotExpress, Fault, Situation, Unsaid
from tests.brokers.exchange_server import COINS, ExchangeWire
from tests.brokers.http_server import Asked, Reply
from tests.brokers.wire_case import value_of

UID = "365859102"
APIS = {
    **dict.fromkeys(("public", "private"), "/api/v3"),
    **{f"sapi{version}": f"/sapi/v{number}" for number, version in enumerate(("", "V2", "V3", "V4"), start=1)},
    **dict.fromkeys(("fapiPublic", "fapiPrivate"), "/fapi/v1"),
    **dict.fromkeys(("fapiPublicV2", "fapiPrivateV2"), "/fapi/v2"),
    **dict.fromkeys(("fapiPublicV3", "fapiPrivateV3"), "/fapi/v3"),
    **dict.fromkeys(("dapiPublic", "dapiPrivate"), "/dapi/v1"),
    "dapiPrivateV2": "/dapi/v2",
    **dict.fromkeys(("eapiPublic", "eapiPrivate"), "/eapi/v1"),
}
SECRETS = {"apiKey": "planted-binance-key-0001", "secret": "planted-binance-secret-0001"}


class BinanceWire(ExchangeWire):
    exchange = "binance"
    apis = APIS
    secrets = SECRETS

    def __init__(self) -> None:
        self.linear = [linear_market(coin) for coin in COINS.values()]
        self.linear.append(delivery_market("BTC", "250328", 1743120000000))
        self.answers: dict[str, Any] = {
            "/sapi/v1/capital/config/getall": [],
            "/sapi/v1/margin/allPairs": [],
            "/sapi/v1/margin/isolated/allPairs": [],
            "/api/v3/exchangeInfo": {"symbols": [spot_market("BTC"), spot_market("ETH")]},
            "/fapi/v1/exchangeInfo": {"symbols": self.linear},
            "/dapi/v1/exchangeInfo": {"symbols": [inverse_market("BTC", 100), inverse_market("ETH", 10)]},
            "/eapi/v1/exchangeInfo": {"optionSymbols": [option_market("BTC-250221-80000-C", 1740124800000)]},
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
    symbols = COINS
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {AssetType.STOCK: AssetType.CRYPTO}
    unsaid = Unsaid(avg_cost=True, market_value=True, equity=True)
    quantity_field = "free"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.SHORT: "a spot wallet owes nothing; a margin wallet does",
        Situation.NEGATIVE_CASH: "a spot wallet owes nothing; a margin wallet does",
        Situation.OPTION: "a wallet holds coins",
        Situation.FUTURE: "a wallet holds coins",
        Situation.MISSING_FIGURES: "a wallet without a row of a coin has none of it",
        Situation.UNKNOWN_WORD: "a row is a coin's name and its amounts",
    }
    refuses: ClassVar[Mapping[Situation, type[ReadError]]] = {Situation.TWO_LOTS: Incomplete}
    exchange_options: ClassVar[Mapping[str, Any]] = {"currency": "USDT", "identity": UID}

    def __init__(self) -> None:
        super().__init__()
        self.cash = Decimal("31.52261200")
        self.wallet: dict[str, Any] = {"accountType": "SPOT", "canTrade": True, "updateTime": 1701856395927}
        self.answers[self.account_marker] = self.wallet
        self.hold()

    def hold(self, *rows: BrokerPosition) -> None:
        self.wallet["uid"] = UID
        self.wallet["balances"] = [
            {"asset": row.symbol, "free": str(row.quantity), "locked": "0.00000000"} for row in (self._money(), *rows)
        ]

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        """Keep part of the money in open orders, as an exchange does."""
        del equity
        self.wallet["balances"][0].update(free=str((cash or 0) - 1), locked="1")

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.wallet["balances"][1:]
        return rows

    def become_another_account(self) -> None:
        self.wallet["uid"] = "999999999"

    def _money(self) -> BrokerPosition:
        return BrokerPosition("USDT", self.cash, None, None, AssetType.CRYPTO)


class BinanceMarginWire(BinanceSpotWire):
    """The cross margin wallet: what is borrowed counts against what is there."""

    positions_marker = account_marker = "/sapi/v1/margin/account"
    quantity_field = "borrowed"
    cannot_express: ClassVar[CannotExpress] = {
        **{
            asked: reason
            for asked, reason in BinanceSpotWire.cannot_express.items()
            if asked not in {Situation.SHORT, Situation.NEGATIVE_CASH}
        },
        Fault.OTHER_ACCOUNT: "a margin wallet does not say whose it is",
    }
    exchange_options: ClassVar[Mapping[str, Any]] = {"currency": "USDT", "balance_params": {"type": "margin"}}

    def hold(self, *rows: BrokerPosition) -> None:
        self.wallet["userAssets"] = [
            {"asset": "USDT", "free": "10", "locked": "0", "borrowed": "0", "interest": "0"},
            *map(self._row, rows),
        ]

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        del equity
        self.wallet["userAssets"][0].update(free="10", borrowed=str(10 - (cash or 0)))

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.wallet["userAssets"][1:]
        return rows

    def _row(self, row: BrokerPosition) -> dict[str, Any]:
        """Hold some of what is borrowed still: what is owed is more than what is there for a short holding."""
        owed = max(-row.quantity, Decimal(0)) + 1
        return {
            "asset": row.symbol,
            "free": str(row.quantity + owed - Decimal("0.25")),
            "locked": "0.25",
            "borrowed": str(owed - Decimal("0.001")),
            "interest": "0.001",
        }


class BinanceSwapWire(BinanceWire):
    positions_marker = "/fapi/v3/positionRisk"
    account_marker = "/fapi/v3/account"
    symbols: ClassVar[Mapping[str, str]] = {
        **{ours: f"{coin}/USDT:USDT" for ours, coin in COINS.items()},
        "ESH5": "BTC/USDT:USDT-250328",
        "AAPL  250221C00180000": "BTC/USDT:USDT-250221-80000-C",
    }
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {AssetType.STOCK: AssetType.SWAP}
    quantity_field = "positionAmt"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.MISSING_FIGURES: "a wallet without a row of a coin has none of it",
        Situation.UNKNOWN_WORD: "the sign of the quantity tells the side, and the market's name the kind",
        Fault.OTHER_ACCOUNT: "a futures wallet does not say whose it is",
    }
    # ccxt leaves a row without an entry price out.
    refuses: ClassVar[Mapping[Situation, type[ReadError]]] = {Situation.MISSING_COST: Incomplete}
    exchange_options: ClassVar[Mapping[str, Any]] = {
        "holds": "derivatives",
        "currency": "USDT",
        "balance_params": {"type": "swap"},
        "position_params": [{}, {"method": "option"}],
        "equity_path": "totalMarginBalance",
    }
    config: ClassVar[Mapping[str, Any]] = {
        "options": {"fetchMarkets": {"types": ["spot", "linear", "inverse", "option"]}}
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
        self.open_options: list[dict[str, Any]] = []
        self.answers[self.positions_marker] = self.open_positions
        self.answers["/eapi/v1/position"] = self.open_options
        self.answers[self.account_marker] = self.figures

    def translated(self, row: BrokerPosition) -> BrokerPosition:
        return replace(super().translated(row), multiplier=Decimal(1))

    def hold(self, *rows: BrokerPosition) -> None:
        self.open_positions[:] = [self.row(row) for row in rows if row.asset_type is not AssetType.OPTION]
        self.open_options[:] = [self.option_row(row) for row in rows if row.asset_type is AssetType.OPTION]

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        self.figures["totalMarginBalance"] = self.figures["assets"][0]["marginBalance"] = str(equity)
        self.figures["assets"][0]["walletBalance"] = str(cash)

    def row(self, held: BrokerPosition) -> dict[str, Any]:
        pair, _, delivery = held.symbol.replace("/", "").replace("-", ":_").replace(":USDT", "").partition(":")
        value = value_of(held)
        row = {
            "symbol": f"{pair}{delivery}",
            "positionSide": "BOTH",
            "positionAmt": str(held.quantity),
            "markPrice": "2",
            "unRealizedProfit": "0.54230362",
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": str(value),
            "isolatedWallet": "0",
            "updateTime": 1722062678998,
            "initialMargin": "2.39560000",
            "maintMargin": "0.07186800",
        }
        return row if held.avg_cost is None else {**row, "entryPrice": str(held.avg_cost)}

    def option_row(self, held: BrokerPosition) -> dict[str, Any]:
        base, _, name = held.symbol.partition("/")
        return {
            "symbol": f"{base}-{name.partition('-')[2]}",
            "side": "SHORT" if held.quantity < 0 else "LONG",
            "quantity": str(held.quantity),
            "reducibleQty": str(held.quantity),
            "entryPrice": str(held.avg_cost),
            "markPrice": "575",
            "markValue": str(held.market_value),
            "optionSide": "CALL",
            "quoteAsset": "USDT",
        }

    def rows(self) -> list[dict[str, Any]]:
        return [*self.open_positions, *self.open_options]
