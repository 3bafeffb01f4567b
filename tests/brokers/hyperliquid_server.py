"""Hyperliquid on a local port: every question is a POST to /info, told apart by its body."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from tests.brokers.cases import CannotExpress, Fault, Situation, Unsaid
from tests.brokers.exchange_server import COINS, ExchangeWire
from tests.brokers.http_server import Asked, Reply
from tests.brokers.wire_case import value_of

ADDRESS = "0x" + "5eC7e7" * 6 + "abcd"


class HyperliquidWire(ExchangeWire):
    exchange = "hyperliquid"
    apis: ClassVar[Mapping[str, Any]] = {"public": "", "private": ""}
    exchange_options: ClassVar[Mapping[str, Any]] = {"holds": "derivatives"}
    secrets: ClassVar[Mapping[str, Any]] = {"walletAddress": ADDRESS}
    positions_marker = account_marker = '"type":"clearinghouseState"'
    symbols: ClassVar[Mapping[str, str]] = {ours: f"{coin}/USDC:USDC" for ours, coin in COINS.items()}
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {AssetType.STOCK: AssetType.SWAP}
    unsaid = Unsaid(cash=True)
    quantity_field = "szi"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.OPTION: "Hyperliquid has perpetual contracts alone",
        Situation.FUTURE: "Hyperliquid has perpetual contracts alone",
        Situation.MISSING_FIGURES: "an account of Hyperliquid always tells its value",
        Situation.UNKNOWN_WORD: "the sign of the quantity tells the side, and every coin is a perpetual contract",
        Fault.OTHER_ACCOUNT: "the answer does not say whose it is: the question names the address",
    }

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "marginSummary": {"accountValue": "11524.216934", "totalMarginUsed": "194.409"},
            "assetPositions": [],
            "time": 1728568314070,
        }
        coins = list(COINS.values())
        price = {"markPx": "2", "midPx": "2", "oraclePx": "2", "prevDayPx": "2", "funding": "0"}
        meta = {"universe": [{"name": name, "szDecimals": 2, "maxLeverage": 50} for name in coins], "marginTables": []}
        spot = {"tokens": [], "universe": []}
        self.answers: dict[str, Any] = {
            "meta": meta,
            "metaAndAssetCtxs": [meta, [price for _ in coins]],
            "spotMeta": spot,
            "spotMetaAndAssetCtxs": [spot, []],
            "perpDexs": [None],
            "clearinghouseState": self.state,
            "userAbstraction": "disabled",
        }
        super().__init__()

    def route(self, asked: Asked) -> Reply:
        kind = asked.form().get("type")
        if kind not in self.answers:
            return Reply("Failed to deserialize the JSON body into the target type", 422)
        answer = self.answers[kind]
        return Reply(f'"{answer}"' if isinstance(answer, str) else answer)

    def hold(self, *rows: BrokerPosition) -> None:
        self.state["assetPositions"] = [{"type": "oneWay", "position": self.row(one)} for one in rows]

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        del cash
        self.state["marginSummary"]["accountValue"] = str(equity)

    def row(self, held: BrokerPosition) -> dict[str, Any]:
        value = value_of(held)
        row = {
            "coin": held.symbol.partition("/")[0],
            "szi": str(held.quantity),
            "leverage": {"type": "cross", "value": 20},
            "positionValue": str(abs(value)),
            "unrealizedPnl": "0.4",
            "returnOnEquity": "0.115307",
            "liquidationPx": None,
            "marginUsed": "3.449",
            "maxLeverage": 50,
        }
        return row if held.avg_cost is None else {**row, "entryPx": str(held.avg_cost)}

    def rows(self) -> list[dict[str, Any]]:
        return [row["position"] for row in self.state["assetPositions"]]
