"""OANDA v20 on a local port, and the example package that asks it."""

import importlib.util
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from tests.brokers.cases import SEVERAL, CannotExpress, Situation, Unsaid
from tests.brokers.http_server import Asked, BrokerServer, Reply
from tests.brokers.wire_case import TIMEOUT_SECONDS, WireCase
from tests.support.places import ROOT

PACKAGE = ROOT / "examples" / "broker_oanda"
ACCOUNT = "101-004-1435156-001"
SECRETS = {"token": "planted-oanda-token-0001"}
FLAT_LEG = {"units": "0", "pl": "0.0000"}


def load_example() -> None:
    """Import the example from its folder; that it can be installed is a test of its own."""
    if "broker_oanda" not in sys.modules:
        place = PACKAGE / "broker_oanda" / "__init__.py"
        spec = importlib.util.spec_from_file_location(
            "broker_oanda", place, submodule_search_locations=[str(place.parent)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["broker_oanda"] = module
        spec.loader.exec_module(module)


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


def position_row(held: BrokerPosition) -> dict[str, Any]:
    leg = {"units": str(held.quantity), "pl": "0.0000"}
    if held.avg_cost is not None:
        leg["averagePrice"] = str(held.avg_cost)
    side = "short" if held.quantity < 0 else "long"
    return {"instrument": held.symbol, "long": FLAT_LEG, "short": FLAT_LEG, side: leg}


class OandaWire(WireCase):
    opener = "broker_oanda:open_oanda"
    account_id = ACCOUNT
    positions_marker = f"/v3/accounts/{ACCOUNT}/openPositions"
    account_marker = f"/v3/accounts/{ACCOUNT}/summary"
    symbols: ClassVar[Mapping[str, str]] = {
        **{ours: f"{ours}_USD" for ours in SEVERAL},
        "AAPL": "SPX500_USD",
        "TSLA": "XAU_USD",
        "AMZN": "XAG_USD",
        "VTI": "BTC_USD",
        "MSFT": "NAS100_USD",
        "GOOG": "WTICO_USD",
    }
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {AssetType.STOCK: AssetType.CFD}
    unsaid = Unsaid(market_value=True)
    quantity_field = "units"
    cannot_express: ClassVar[CannotExpress] = {
        Situation.OPTION: "OANDA has no options",
        Situation.FUTURE: "OANDA has no futures: it copies them as contracts for difference",
        Situation.MISSING_FIGURES: "an account of OANDA always tells its balance",
    }
    outlives_loop = False
    secrets: ClassVar[Mapping[str, str]] = SECRETS

    def __init__(self) -> None:
        load_example()
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

    def options(self) -> dict[str, Any]:
        return {"base_url": self.server.url, "timeout_seconds": TIMEOUT_SECONDS}

    def hold(self, *rows: BrokerPosition) -> None:
        self.account.update(summary())
        self.positions[:] = map(position_row, rows)

    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        self.account.update(balance=str(cash), NAV=str(equity))

    def rows(self) -> list[dict[str, Any]]:
        return [row[side] for row in self.positions for side in ("long", "short") if row[side] is not FLAT_LEG]

    def become_another_account(self) -> None:
        self.account["id"] = "101-004-9999999-001"

    def contradicts_flat(self) -> bool:
        self.account["openPositionCount"] = 2
        return True

    def unknown_word(self, row: dict[str, Any]) -> None:
        """Put the leg on the side that its sign denies: the side is the leg's name."""
        for position in self.positions:
            if position["long"] is row:
                position["long"], position["short"] = position["short"], position["long"]
