"""Interactive Brokers: each situation is what a small TWS answers to the real SDK."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.ports.broker import BrokerQuery
from tests.brokers.cases import ACCOUNT, HTTP_FAULTS, OTHER_ACCOUNT, Book, BrokerCase, CannotExpress, Fault, Situation
from tests.brokers.fake_tws import Books, FakeTws, Row, TwsFault, ledger_rows

_SEC_TYPES = {AssetType.STOCK: "STK", AssetType.OPTION: "OPT", AssetType.FUTURE: "FUT"}
#: How TWS writes that it has no value.
_UNSET = "1.7976931348623157E308"


class IbkrCase(BrokerCase):
    cannot_express: ClassVar[CannotExpress] = {
        **dict.fromkeys(HTTP_FAULTS, "TWS speaks no HTTP; its own refusals are in test_ibkr_gateway.py"),
        Situation.UNKNOWN_FIELD: "TWS's fields have places and no names",
        Situation.MANY_DIGITS: "the SDK reads market values as doubles, which 98765432109876.54 does not fit",
        Situation.MISSING_FIGURES: "a summary without cash and equity is incomplete",
    }

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        with FakeTws(_books(ACCOUNT, book)) as tws:
            yield self._open(tws)

    @contextmanager
    def fail(self, fault: Fault, part: str = "whole") -> Iterator[BrokerQuery]:
        del part
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
                Fault.WRONG_SHAPE: {TwsFault.GARBLED},
                Fault.DROPPED: {TwsFault.DROPPED},
                Fault.TIME_OUT: {TwsFault.SILENT},
            }.get(fault, set())
            if fault is Fault.GONE:
                tws.stop()
            yield self._open(tws, connect_timeout_seconds=1 if fault is Fault.TIME_OUT else 8)

    def _open(self, tws: FakeTws, connect_timeout_seconds: int = 8) -> BrokerQuery:
        options = {"port": tws.port, "market_values": True, "connect_timeout_seconds": connect_timeout_seconds}
        return open_broker("ibkr", options)


def _books(account_id: str, book: Book) -> Books:
    books = Books()
    books.positions[account_id] = [_row(con_id, row) for con_id, row in enumerate(book.rows, 1)]
    if book.unknown_word:
        books.positions[account_id] = [replace(row, sec_type="TMRW") for row in books.positions[account_id]]
    books.summary[account_id] = [
        ("NetLiquidation", str(book.equity), "USD"),
        ("TotalCashValue", str(book.cash), "USD"),
        *ledger_rows(account_id, str(book.cash), "USD"),
        *ledger_rows(account_id, str(book.cash), "BASE"),
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
