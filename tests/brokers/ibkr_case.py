"""Interactive Brokers: each situation is what a small TWS answers to the real SDK."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

from reconciliation.broker.query import BrokerPosition, BrokerQuery
from reconciliation.broker.registry import open_broker
from reconciliation.models import AssetType
from tests.brokers.cases import ACCOUNT, OTHER_ACCOUNT, Book, BrokerCase, Fault, Situation
from tests.brokers.fake_tws import Books, FakeTws, Row, TwsFault

_SEC_TYPES = {AssetType.STOCK: "STK", AssetType.OPTION: "OPT", AssetType.FUTURE: "FUT"}
#: How TWS writes that it has no value.
_UNSET = "1.7976931348623157E308"


class IbkrCase(BrokerCase):
    name = "ibkr"
    cannot_express: ClassVar[Mapping[Situation | Fault, str]] = {
        Situation.MANY_DIGITS: "the SDK reads market values as doubles, which 98765432109876.54 does not fit",
        Situation.MISSING_FIGURES: "a summary without cash and equity is incomplete",
    }

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        with FakeTws(_books(ACCOUNT, book)) as tws:
            yield self._open(tws)

    @contextmanager
    def fail(self, fault: Fault) -> Iterator[BrokerQuery]:
        one = Situation.ONE_POSITION.value
        books = _books(OTHER_ACCOUNT if fault is Fault.OTHER_ACCOUNT else ACCOUNT, one)
        if fault in {Fault.NOT_A_NUMBER, Fault.NO_QUANTITY}:
            quantity = "NaN" if fault is Fault.NOT_A_NUMBER else ""
            books.positions[ACCOUNT] = [replace(row, quantity=quantity) for row in books.positions[ACCOUNT]]
        with FakeTws(books) as tws:
            tws.faults = {
                Fault.CUT_OFF: {TwsFault.TRUNCATED},
                Fault.NOTHING: {TwsFault.NO_SUMMARY_ROWS},
                Fault.GARBAGE: {TwsFault.HTML},
            }.get(fault, set())
            if fault is Fault.GONE:
                tws.stop()
            yield self._open(tws)

    def _open(self, tws: FakeTws) -> BrokerQuery:
        return open_broker("ibkr", {"port": tws.port, "market_values": True})


def _books(account_id: str, book: Book) -> Books:
    books = Books()
    books.positions[account_id] = [_row(con_id, row) for con_id, row in enumerate(book.rows, 1)]
    books.summary[account_id] = [
        ("NetLiquidation", str(book.equity), "USD"),
        ("TotalCashValue", str(book.cash), "USD"),
    ]
    return books


def _row(con_id: int, row: BrokerPosition) -> Row:
    multiplier = row.multiplier or 1
    return Row(
        con_id=con_id,
        symbol=row.symbol[:2] if row.asset_type is AssetType.FUTURE else row.symbol.split()[0],
        local_symbol=row.symbol,
        sec_type=_SEC_TYPES[row.asset_type],
        quantity=f"{row.quantity:f}",
        avg_cost=_UNSET if row.avg_cost is None else f"{row.avg_cost * multiplier:f}",
        multiplier="" if multiplier == 1 else str(multiplier),
        market_value=str(row.market_value),
    )
