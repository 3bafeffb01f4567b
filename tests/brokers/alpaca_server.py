"""Alpaca's Trading and Broker API on a local port, as far as we ask it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from tests.brokers.cases import CannotExpress, Situation
from tests.brokers.http_server import Asked, BrokerServer, Reply
from tests.brokers.wire_case import TIMEOUT_SECONDS, WireCase, value_of

ACCOUNT_NUMBER = "PA3RECON0001"
ACCOUNT_UUID = "1d9eed04-be39-4e01-9b84-a48ac5bbafcf"
SECRETS = {"api_key": "PKPLANTEDKEY000001", "secret_key": "planted-alpaca-secret/+=0001"}
CLASSES = {AssetType.STOCK: "us_equity", AssetType.OPTION: "us_option", AssetType.CRYPTO: "crypto"}


def account_answer() -> dict[str, Any]:
    return {
        "id": ACCOUNT_UUID,
        "account_number": ACCOUNT_NUMBER,
        "status": "ACTIVE",
        "currency": "USD",
        "cash": "122086.5",
        "buying_power": "245432.61",
        "equity": "123346.11",
        "last_equity": "122011.09751111286868",
        "initial_margin": "629.8",
        "long_market_value": "0",
        "short_market_value": "0",
        "daytrade_count": 0,
        "pattern_day_trader": True,
        "admin_configurations": {},
        "user_configurations": None,
    }


def position_row(held: BrokerPosition) -> dict[str, Any]:
    value = value_of(held)
    row: dict[str, Any] = {
        "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": held.symbol,
        "exchange": "NASDAQ",
        "asset_class": CLASSES.get(held.asset_type, "us_equity"),
        "qty": str(held.quantity),
        "side": "short" if held.quantity < 0 else "long",
        "market_value": str(value),
        "current_price": str(value / held.quantity / (held.multiplier or 1)),
    }
    if held.avg_cost is not None:
        row["avg_entry_price"] = str(held.avg_cost)
    return row


class AlpacaWire(WireCase):
    opener = "alpaca"
    account_id = ACCOUNT_NUMBER
    positions_marker = "/v2/positions"
    account_marker = "/v2/account"
    symbols: ClassVar[Mapping[str, str]] = {"MSFT": "BRK.B", "AAPL  250221C00180000": "AAPL250221C00180000"}
    quantity_field = "qty"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.FUTURE: "Alpaca has no futures",
        Situation.MISSING_FIGURES: "an account of Alpaca always tells its cash",
    }
    secrets: Mapping[str, str] = SECRETS
    api = "trading"

    def __init__(self) -> None:
        self.account = account_answer()
        self.positions: list[dict[str, Any]] = []
        self.server = BrokerServer(self.route)

    def route(self, asked: Asked) -> Reply:
        if not self.admits(asked.headers):
            return Reply({"message": "forbidden."}, 403)
        if asked.path == self.positions_marker:
            return Reply(self.positions)
        if asked.path == self.account_marker:
            return Reply(self.account)
        return Reply({"code": 40410000, "message": "endpoint not found"}, 404)

    def admits(self, headers: Mapping[str, str]) -> bool:
        return (headers.get("Apca-Api-Key-Id"), headers.get("Apca-Api-Secret-Key")) == tuple(SECRETS.values()) or (
            headers.get("APCA-API-KEY-ID"),
            headers.get("APCA-API-SECRET-KEY"),
        ) == tuple(SECRETS.values())

    def options(self) -> dict[str, Any]:
        return {"api": self.api, "base_url": self.server.url, "timeout_seconds": TIMEOUT_SECONDS}

    def hold(self, *rows: BrokerPosition) -> None:
        self.account.update(account_answer())
        self.positions[:] = map(position_row, rows)

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        self.account.update(cash=str(cash), equity=str(equity))

    def rows(self) -> list[dict[str, Any]]:
        return self.positions

    def become_another_account(self) -> None:
        self.account.update(account_number="PA3SOMEONEELSE", id="ffffffff-ffff-4fff-8fff-ffffffffffff")

    def contradicts_flat(self) -> bool:
        self.account["short_market_value"] = "-12.50"
        return True

    def unknown_word(self, row: dict[str, Any]) -> None:
        row["side"] = "sideways"


class AlpacaBrokerApiWire(AlpacaWire):
    """The same accounts behind the Broker API: one key for many, each in its own path."""

    account_id = ACCOUNT_UUID
    api = "broker"
    positions_marker = f"/v1/trading/accounts/{ACCOUNT_UUID}/positions"
    account_marker = f"/v1/trading/accounts/{ACCOUNT_UUID}/account"

    def admits(self, headers: Mapping[str, str]) -> bool:
        return headers.get("Authorization", "").startswith("Basic ")
