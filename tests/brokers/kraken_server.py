"""Kraken on a local port: a wallet with margin positions beside it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from tests.brokers.cases import CannotExpress, Fault, Situation, Unsaid
from tests.brokers.exchange_server import COINS, ExchangeWire
from tests.brokers.http_server import Asked, Reply


def pair(base: str) -> dict[str, Any]:
    return {
        "altname": f"{base}USDT",
        "wsname": f"{base}/USDT",
        "base": base,
        "quote": "USDT",
        "pair_decimals": 5,
        "lot_decimals": 8,
        "leverage_buy": [2],
        "leverage_sell": [2],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "ordermin": "5",
        "tick_size": "0.00001",
        "status": "online",
    }


def asset(name: str) -> dict[str, Any]:
    return {"aclass": "currency", "altname": name, "decimals": 8, "display_decimals": 5, "status": "enabled"}


class KrakenMarginWire(ExchangeWire):
    exchange = "kraken"
    apis: ClassVar[Mapping[str, Any]] = {"public": "", "private": ""}
    exchange_options: ClassVar[Mapping[str, Any]] = {"holds": "both", "currency": "USDT"}
    secrets: ClassVar[Mapping[str, Any]] = {
        "apiKey": "planted-kraken-key-0001",
        "secret": "cGxhbnRlZC1rcmFrZW4tc2VjcmV0LTAwMDE=",
    }
    positions_marker = "/0/private/OpenPositions"
    account_marker = "/0/private/BalanceEx"
    symbols: ClassVar[Mapping[str, str]] = {ours: f"{coin}/USDT" for ours, coin in COINS.items()}
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {AssetType.STOCK: AssetType.CRYPTO}
    unsaid = Unsaid(avg_cost=True, market_value=True, equity=True)
    quantity_field = "vol"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.OPTION: "Kraken has no options",
        Situation.FUTURE: "Kraken's futures are an exchange of their own to ccxt (krakenfutures)",
        Situation.MISSING_FIGURES: "a wallet without a row of a coin has none of it",
        Fault.OTHER_ACCOUNT: "the answers do not say whose they are",
    }

    def __init__(self) -> None:
        self.open_positions: list[dict[str, Any]] = []
        self.wallet: dict[str, Any] = {"USDT": {"balance": "25435.2100", "hold_trade": "8249.76"}}
        self.answers: dict[str, Any] = {
            "/0/public/Assets": {name: asset(name) for name in (*COINS.values(), "USDT")},
            "/0/public/AssetPairs": {f"{base}USDT": pair(base) for base in COINS.values()},
            self.positions_marker: self.open_positions,
            self.account_marker: self.wallet,
        }
        super().__init__()

    def route(self, asked: Asked) -> Reply:
        if asked.path not in self.answers:
            return Reply({"error": ["EGeneral:Unknown method"]})
        return Reply({"error": [], "result": self.answers[asked.path]})

    def hold(self, *rows: BrokerPosition) -> None:
        self.open_positions[:] = [
            {
                "pair": one.symbol.replace("/", ""),
                "positions": "1",
                "type": "sell" if one.quantity < 0 else "buy",
                "leverage": "4.00000000",
                "cost": "6.07505000",
                "vol": str(abs(one.quantity)),
                "vol_closed": "0",
                "margin": "1.51876250",
                "value": "6.08527000",
                "net": "-0.01022000",
            }
            for one in rows
        ]

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        del equity
        self.wallet["USDT"]["balance"] = str(cash)

    def rows(self) -> list[dict[str, Any]]:
        return self.open_positions

    def unknown_word(self, row: dict[str, Any]) -> None:
        row["type"] = "borrow"
