"""Brokers that are asked over HTTP: a server in the broker's own protocol, its adapter, and both in the exam."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import ReadError
from reconciliation.ports.broker import BrokerQuery, ClosableBroker
from tests.brokers import http_server
from tests.brokers.cases import Book, BrokerCase, CannotExpress, Fault, Situation, Unsaid
from tests.brokers.http_server import BrokerServer, Reply

#: Long enough for a busy machine to answer, short enough to wait for in a test.
TIMEOUT_SECONDS = 2.0

PAGE = "<html><body><h1>Something went wrong</h1></body></html>"
HTML = {"Content-Type": "text/html"}

_ON_THE_WIRE: Mapping[Fault, http_server.Fault] = {
    Fault.CUT_OFF: http_server.Fault(truncates=True),
    Fault.NOTHING: http_server.Fault(reply=Reply("")),
    Fault.GARBAGE: http_server.Fault(reply=Reply(PAGE, 200, HTML)),
    Fault.WRONG_SHAPE: http_server.Fault(reply=Reply({"status": "ok", "data": None})),
    Fault.DROPPED: http_server.Fault(drops=True),
    Fault.TIME_OUT: http_server.Fault(hangs=True),
    Fault.HTTP_401: http_server.Fault(reply=Reply({"message": "unauthorized"}, 401)),
    Fault.HTTP_403: http_server.Fault(reply=Reply({"message": "forbidden."}, 403)),
    Fault.HTTP_429: http_server.Fault(reply=Reply({"message": "slow down"}, 429)),
    Fault.HTTP_429_RETRY_AFTER: http_server.Fault(reply=Reply({"message": "slow down"}, 429, {"Retry-After": "17"})),
    Fault.HTTP_500: http_server.Fault(reply=Reply(PAGE, 500, HTML)),
}


def holding(symbol: str, quantity: str, avg_cost: str | None = "100.25") -> BrokerPosition:
    """Return a row for a server to hold, in the broker's own symbols; its kind and value are the server's matter."""
    cost = None if avg_cost is None else Decimal(avg_cost)
    return BrokerPosition(symbol, Decimal(quantity), cost, None, AssetType.OTHER)


def value_of(row: BrokerPosition) -> Decimal:
    """Return what the row is worth, at a price of 2 where nobody said it."""
    return row.quantity * 2 if row.market_value is None else row.market_value


class WireCase(ABC):
    """One broker that is asked over HTTP."""

    #: What opens the adapter: its name, or its place.
    opener: str
    account_id: str
    #: Marks the request for positions, and the one for figures (see `BrokerServer.faults`).
    positions_marker: str
    account_marker: str
    #: What the exam's symbols are called here; a symbol that is not among them stays as it is.
    symbols: ClassVar[Mapping[str, str]] = {}
    #: What the exam's kinds of assets are here.
    kinds: ClassVar[Mapping[AssetType, AssetType]] = {}
    unsaid: ClassVar[Unsaid] = Unsaid()
    cannot_express: ClassVar[CannotExpress] = {}
    refuses: ClassVar[Mapping[Situation, type[ReadError]]] = {}
    #: The field of a row that holds the quantity.
    quantity_field: str
    #: Whether one broker serves many event loops; an asyncio client belongs to one.
    outlives_loop: bool = True
    secrets: Mapping[str, str]
    server: BrokerServer

    def open(self, **changes: Any) -> BrokerQuery:
        """Return the real adapter, pointed at the server; an option that is changed to None is not given."""
        options = {**self.options(), **changes}
        given = {name: value for name, value in options.items() if value is not None}
        return open_broker(self.opener, given, self.secrets)

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return the adapter's options."""

    @abstractmethod
    def hold(self, *rows: BrokerPosition) -> None:
        """Let the server hold exactly these."""

    @abstractmethod
    def set_figures(self, cash: Decimal | None, equity: Decimal | None) -> None:
        """Let the server tell these figures, as far as it tells any."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the server's rows in the broker's own form, to be changed in place; each has the quantity's field."""

    def become_another_account(self) -> None:
        """Let the server answer for an account that was not asked for; needed, unless that cannot be expressed."""
        raise AssertionError(f"{type(self).__name__} says neither how nor why not")

    def unknown_word(self, row: dict[str, Any]) -> None:
        """Change a word of the row that tells its kind or side to one that nobody knows; needed, as the above."""
        raise AssertionError(f"{type(self).__name__} says neither how nor why not")

    def contradicts_flat(self) -> bool:
        """Let the figures say that something is held; False: this broker's figures don't tell."""
        return False

    def close(self) -> None:
        self.server.close()

    @property
    def symbol(self) -> str:
        """What is traded most, in the broker's own words."""
        return self.symbols.get("AAPL", "AAPL")

    def translated(self, row: BrokerPosition) -> BrokerPosition:
        """Return the exam's row in the broker's own symbols and kinds."""
        return replace(
            row,
            symbol=self.symbols.get(row.symbol, row.symbol),
            asset_type=self.kinds.get(row.asset_type, row.asset_type),
        )

    def hold_book(self, book: Book) -> None:
        """Let the server hold a book that is in the broker's own symbols."""
        self.server.faults = {}
        self.hold(*book.rows)
        self.set_figures(book.cash, book.equity)
        for row in self.rows():
            if book.unknown_field:
                row["a_field_of_tomorrow"] = {"nested": [1, None]}
            if book.unknown_word:
                self.unknown_word(row)


class HttpCase(BrokerCase):
    """A `WireCase` in the entrance exam. Server and broker serve all tests: an exchange's markets take long to load."""

    def __init__(self, wire_class: type[WireCase]) -> None:
        self._wire_class = wire_class
        self._kept: tuple[WireCase, BrokerQuery] | None = None
        self.account_id = wire_class.account_id
        self.unsaid = wire_class.unsaid
        self.cannot_express = wire_class.cannot_express
        self.refuses = wire_class.refuses
        if wire_class.positions_marker != wire_class.account_marker:
            self.parts = ("positions", "figures")

    def book(self, situation: Situation) -> Book:
        book = super().book(situation)
        return replace(book, rows=tuple(map(self.wire.translated, book.rows)))

    def keeps(self, broker: BrokerQuery) -> bool:
        return self._kept is not None and broker is self._kept[1]

    @property
    def wire(self) -> WireCase:
        """The server that serves all tests."""
        if self._kept is None:
            wire = self._wire_class()
            self._kept = wire, wire.open()
        return self._kept[0]

    def open(self) -> BrokerQuery:
        """Return the broker that serves all tests, or a new one where it can't."""
        wire = self.wire
        return self._kept[1] if self._kept and wire.outlives_loop else wire.open()

    async def close(self) -> None:
        """Close what has served all tests. To be called last."""
        if self._kept is not None:
            wire, broker = self._kept
            self._kept = None
            if isinstance(broker, ClosableBroker):
                await broker.close()
            wire.close()

    def own_wire(self) -> WireCase:
        """Return a server of one's own, to be closed."""
        return self._wire_class()

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        self.wire.hold_book(book)
        yield self.open()

    @contextmanager
    def fail(self, fault: Fault, part: str = "whole") -> Iterator[BrokerQuery]:
        if fault in {Fault.OTHER_ACCOUNT, Fault.GONE}:
            with self._fail_for_good(fault) as broker:
                yield broker
            return
        with self.serve(self.book(Situation.ONE_POSITION)) as broker:
            if fault is Fault.NOT_A_NUMBER:
                self.wire.rows()[0][self.wire.quantity_field] = "NaN"
            elif fault is Fault.NO_QUANTITY:
                del self.wire.rows()[0][self.wire.quantity_field]
            else:
                marker = self.wire.account_marker if part == "figures" else self.wire.positions_marker
                self.wire.server.faults = {marker: _ON_THE_WIRE[fault]}
            yield broker

    @contextmanager
    def _fail_for_good(self, fault: Fault) -> Iterator[BrokerQuery]:
        wire = self.own_wire()
        try:
            wire.hold_book(self.book(Situation.ONE_POSITION))
            if fault is Fault.GONE:
                wire.server.close()
            else:
                wire.become_another_account()
            yield wire.open()
        finally:
            wire.close()
