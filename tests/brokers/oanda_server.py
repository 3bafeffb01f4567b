"""OANDA v20 on a local port, and the example package that asks it."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from reconciliation.broker.query import BrokerQuery
from reconciliation.models import AssetType
from tests.brokers.http_server import Asked, BrokerServer, Reply
from tests.brokers.wire_case import TIMEOUT_SECONDS, Holding, WireCase

PACKAGE = Path(__file__).parents[2] / "examples" / "broker_oanda"
ACCOUNT = "101-004-1435156-001"
SECRETS = {"token": "planted-oanda-token-0001"}
FLAT_LEG = {"units": "0", "pl": "0.0000"}


def load_example() -> ModuleType:
    """Import the example from its folder; that it can be installed is a test of its own."""
    if "broker_oanda" not in sys.modules:
        place = PACKAGE / "broker_oanda" / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            "broker_oanda", place, submodule_search_locations=[str(place.parent)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["broker_oanda"] = module
        spec.loader.exec_module(module)
    return sys.modules["broker_oanda"]


def summary() -> dict[str, Any]:
    return {
        "id": ACCOUNT,
        "currency": "EUR",
        "balance": "35454.4740",
        "NAV": "35454.4740",
        "marginUsed": "10581.5000",
        "marginAvailable": "24872.9740",
        "openPositionCount": 0,
    }


def position_row(holding: Holding) -> dict[str, Any]:
    side = "short" if holding.quantity.startswith("-") else "long"
    leg = {"units": holding.quantity, "pl": "0.0000"}
    if holding.avg_cost is not None:
        leg["averagePrice"] = holding.avg_cost
    return {"instrument": holding.symbol, "long": FLAT_LEG, "short": FLAT_LEG, side: leg}


class OandaWire(WireCase):
    account_id = ACCOUNT
    positions_marker = f"/v3/accounts/{ACCOUNT}/openPositions"
    account_marker = f"/v3/accounts/{ACCOUNT}/summary"
    symbols = ("EUR_USD", "USD_JPY")
    asset_type = AssetType.FOREX
    outlives_loop = False
    secrets: ClassVar[Mapping[str, str]] = SECRETS

    def __init__(self) -> None:
        self.account = summary()
        self.positions: list[dict[str, Any]] = []
        self.server = BrokerServer(self.route)

    def route(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {SECRETS['token']}":
            return Reply({"errorMessage": "Insufficient authorization to perform request."}, 401)
        if asked.path == self.positions_marker:
            return Reply({"positions": self.positions, "lastTransactionID": "2124"})
        if asked.path == self.account_marker:
            return Reply({"account": self.account, "lastTransactionID": "2124"})
        return Reply({"errorMessage": "The provided request was forbidden."}, 403)

    def open(self, timeout_seconds: float = TIMEOUT_SECONDS) -> BrokerQuery:
        options = {"base_url": self.server.url, "timeout_seconds": timeout_seconds}
        broker: BrokerQuery = load_example().open_oanda(options, SECRETS)
        return broker

    def hold(self, *holdings: Holding) -> None:
        self.positions[:] = map(position_row, holdings)

    def rows(self) -> list[dict[str, Any]]:
        return self.positions

    def become_another_account(self) -> None:
        self.account["id"] = "101-004-9999999-001"

    def contradicts_flat(self) -> bool:
        self.account["openPositionCount"] = 2
        return True

    @staticmethod
    def unknown_side(row: dict[str, Any]) -> None:
        row["long"], row["short"] = row["short"], row["long"]
