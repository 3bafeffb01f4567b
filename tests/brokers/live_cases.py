"""Alpaca in the entrance exam; the exchanges know no stocks, and sit the wire suite alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from reconciliation.broker.query import BrokerPosition, BrokerQuery
from reconciliation.broker.registry import open_broker
from reconciliation.models import AssetType
from tests.brokers import http_server
from tests.brokers.alpaca_server import SECRETS, AlpacaWire
from tests.brokers.cases import ACCOUNT, OTHER_ACCOUNT, Book, BrokerCase, Fault, Situation

_CLASSES = {AssetType.STOCK: "us_equity", AssetType.OPTION: "us_option", AssetType.FUTURE: "us_future"}


class AlpacaCase(BrokerCase):
    name = "alpaca"
    cannot_express: ClassVar[Mapping[Situation | Fault, str]] = {
        Situation.FUTURE: "Alpaca's answers have no multiplier of a future",
        Situation.MISSING_FIGURES: "an account of Alpaca always tells its cash",
    }

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        with self._server() as alpaca:
            _fill(alpaca, book)
            yield _open(alpaca)

    @contextmanager
    def fail(self, fault: Fault) -> Iterator[BrokerQuery]:
        with self._server() as alpaca:
            _fill(alpaca, Situation.ONE_POSITION.value)
            if fault is Fault.OTHER_ACCOUNT:
                alpaca.account["account_number"] = OTHER_ACCOUNT
            elif fault is Fault.NOT_A_NUMBER:
                alpaca.positions[0]["qty"] = "NaN"
            elif fault is Fault.NO_QUANTITY:
                del alpaca.positions[0]["qty"]
            elif fault is Fault.GONE:
                alpaca.server.close()
            else:
                alpaca.server.faults["/v2/"] = _WIRE_FAULTS[fault]
            yield _open(alpaca)

    @contextmanager
    def _server(self) -> Iterator[AlpacaWire]:
        alpaca = AlpacaWire()
        try:
            yield alpaca
        finally:
            alpaca.close()


_WIRE_FAULTS = {
    Fault.CUT_OFF: http_server.Fault(truncates=True),
    Fault.NOTHING: http_server.Fault(reply=http_server.Reply("")),
    Fault.GARBAGE: http_server.Fault(reply=http_server.Reply("<html><body>504 Gateway Time-out</body></html>")),
}


def _open(alpaca: AlpacaWire) -> BrokerQuery:
    return open_broker("alpaca", {"base_url": alpaca.server.url, "timeout_seconds": 5}, SECRETS)


def _fill(alpaca: AlpacaWire, book: Book) -> None:
    alpaca.account.update(account_number=ACCOUNT, cash=str(book.cash), equity=str(book.equity))
    alpaca.positions = [_row(row) for row in book.rows]


def _row(row: BrokerPosition) -> dict[str, Any]:
    answer = {
        "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": row.symbol,
        "asset_class": _CLASSES[row.asset_type],
        "qty": str(row.quantity),
        "side": "short" if row.quantity < 0 else "long",
        "market_value": str(row.market_value),
    }
    if row.avg_cost is not None:
        answer["avg_entry_price"] = str(row.avg_cost)
    if row.asset_type is AssetType.OPTION:
        answer["current_price"] = str(row.market_value / row.quantity / 100)
    return answer
