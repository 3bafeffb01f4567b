"""Hyperliquid on a local port: every question is a POST to /info, told apart by its body."""

from collections.abc import Mapping
from typing import Any, ClassVar

from reconciliation.models import AssetType
from tests.brokers.exchange_server import ExchangeWire
from tests.brokers.http_server import Asked, Reply
from tests.brokers.wire_case import Holding

ADDRESS = "0x" + "5eC7e7" * 6 + "abcd"


class HyperliquidWire(ExchangeWire):
    exchange = "hyperliquid"
    apis: ClassVar[Mapping[str, Any]] = {"public": "", "private": ""}
    options: ClassVar[Mapping[str, Any]] = {"holds": "derivatives"}
    secrets: ClassVar[Mapping[str, Any]] = {"walletAddress": ADDRESS}
    positions_marker = account_marker = '"type":"clearinghouseState"'
    symbols = ("SOL/USDC:USDC", "ETH/USDC:USDC")
    asset_type = AssetType.SWAP
    has_identity = has_cash = False

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "marginSummary": {"accountValue": "11524.216934", "totalMarginUsed": "194.409"},
            "assetPositions": [],
            "time": 1728568314070,
        }
        coins = ["BTC", "SOL", "ETH"]
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

    def hold(self, *holdings: Holding) -> None:
        self.state["assetPositions"] = [{"type": "oneWay", "position": self.row(one)} for one in holdings]

    def row(self, holding: Holding) -> dict[str, Any]:
        row = {
            "coin": holding.symbol.partition("/")[0],
            "szi": holding.quantity,
            "leverage": {"type": "cross", "value": 20},
            "positionValue": "68.98",
            "unrealizedPnl": "0.4",
            "returnOnEquity": "0.115307",
            "liquidationPx": None,
            "marginUsed": "3.449",
            "maxLeverage": 50,
        }
        return row if holding.avg_cost is None else {**row, "entryPx": holding.avg_cost}

    def rows(self) -> list[dict[str, Any]]:
        return [row["position"] for row in self.state["assetPositions"]]

    def become_another_account(self) -> None:
        raise NotImplementedError
