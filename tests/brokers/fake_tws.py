"""A small TWS: speaks its socket protocol to the real SDK, in a thread of its own, and misbehaves on request."""

import asyncio
import struct
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from threading import Thread
from typing import Any, Self

SERVER_VERSION = 176
_START_API, _REQ_POSITIONS, _CANCEL_POSITIONS = "71", "61", "64"
_REQ_SUMMARY, _CANCEL_SUMMARY, _REQ_ACCOUNT_UPDATES = "62", "63", "6"
_MAX_SUMMARIES = 2
_LEDGER_ZEROS = (
    "CorporateBondValue",
    "Cryptocurrency",
    "FundValue",
    "FutureOptionValue",
    "FuturesPNL",
    "FxCashBalance",
    "IssuerOptionValue",
    "MoneyMarketFundValue",
    "MutualFundValue",
    "NetDividend",
    "OptionMarketValue",
    "RealizedPnL",
    "StockMarketValue",
    "TBillValue",
    "TBondValue",
    "UnrealizedPnL",
    "WarrantValue",
)


class TwsFault(Enum):
    """How the server misbehaves, from now on."""

    NO_POSITION_END = auto()
    NO_SUMMARY_END = auto()
    NO_LOGIN_END = auto()  # the end marker of the positions that the SDK asks for while logging in
    SUMMARY_LIMIT = auto()  # error 322
    RATE_EXCEEDED = auto()  # error 100
    REFUSED = auto()  # error 321, which the SDK takes for a warning
    DISCLAIMER = auto()  # error 10141
    DROPPED = auto()  # closes the socket amid the positions
    TRUNCATED = auto()  # announces more bytes than it sends, then closes
    GARBLED = auto()  # a position row with a field too many
    NO_QUANTITY = auto()  # a position row with an empty quantity
    HTML = auto()  # something else listens on the port
    SILENT = auto()  # accepts and says nothing
    CUT_OFF = auto()  # tells error 1100 at login and amid answers
    NO_SUMMARY_ROWS = auto()
    STRANGE_ACCOUNT = auto()  # a row of an account that the login does not manage


@dataclass(frozen=True, kw_only=True)
class Row:
    """One position as TWS sends it: text."""

    con_id: int
    symbol: str
    quantity: str
    avg_cost: str
    sec_type: str = "STK"
    multiplier: str = ""
    currency: str = "USD"
    local_symbol: str = ""
    market_value: str = "0"

    def position(self, account: str) -> list[str]:
        return ["61", "3", account, *self._contract(), self.quantity, self.avg_cost]

    def portfolio(self, account: str) -> list[str]:
        figures = [self.quantity, "1", self.market_value, self.avg_cost, "0", "0"]
        return ["7", "8", *self._contract(), *figures, account]

    def _contract(self) -> list[str]:
        local_symbol = self.local_symbol or self.symbol
        kind = [self.symbol, self.sec_type, "", "0.0", "", self.multiplier, "NASDAQ", self.currency]
        return [str(self.con_id), *kind, local_symbol, "NMS"]


@dataclass
class Books:
    """What the login holds."""

    positions: dict[str, list[Row]] = field(default_factory=dict)
    #: account -> (tag, value, currency)
    summary: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)

    @property
    def accounts(self) -> list[str]:
        return list(self.summary)

    def set(self, account: str, rows: Iterable[Row], *, currency: str = "USD", cash: str = "1000.00") -> None:
        self.positions[account] = list(rows)
        self.summary[account] = [
            ("NetLiquidation", "25000.50", currency),
            ("TotalCashValue", cash, currency),
            ("BuyingPower", "50000", currency),
            ("InitMarginReq", "1.7976931348623157E308", currency),
            *ledger_rows(account, cash, currency),
            *ledger_rows(account, "-0.00005", "JPY"),
            *ledger_rows(account, cash, "BASE"),
        ]


def ledger_rows(account: str, cash: str, currency: str) -> list[tuple[str, str, str]]:
    """Return what `$LEDGER:ALL` sends for one currency: the 24 tags of a recorded answer, three of them text."""
    texts = {"AccountOrGroup": account, "Currency": currency, "RealCurrency": currency}
    cash_tags = dict.fromkeys(("CashBalance", "TotalCashBalance", "NetLiquidationByCurrency"), cash)
    zeros = dict.fromkeys(_LEDGER_ZEROS, "0.00")
    rows = {**texts, **cash_tags, "ExchangeRate": "1.00", **zeros}
    return [(tag, value, currency) for tag, value in rows.items()]


class FakeTws:
    """Serves `books` on one port of this machine. `stop` and `start` make a restart."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.faults: set[TwsFault] = set()
        self.port = 0
        self.logins: list[int] = []
        self.active_ids: set[int] = set()
        #: Requests that a fault left without their end.
        self.unanswered = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="fake-tws", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def start(self) -> None:
        self._run(self._start())

    def stop(self) -> None:
        """Close the port and every connection, as a Gateway that goes down for its nightly restart."""
        self._run(self._stop())

    def tell(self, code: int, text: str) -> None:
        """Send a message that belongs to no request to every client."""
        self._run(self._tell(code, text))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        self.active_ids.clear()
        await self._server.wait_closed()
        self._server = None

    async def _tell(self, code: int, text: str) -> None:
        for writer in list(self._writers):
            Client(self, writer).error(-1, code, text)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        client = Client(self, writer)
        try:
            await client.serve(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.active_ids.discard(client.client_id)
            writer.close()
            self._writers.discard(writer)


class Client:
    """One connection, seen from the server."""

    def __init__(self, tws: FakeTws, writer: asyncio.StreamWriter) -> None:
        self.client_id = -1
        self._tws = tws
        self._writer = writer
        self._summaries: set[str] = set()
        self._position_requests = 0

    async def serve(self, reader: asyncio.StreamReader) -> None:
        if TwsFault.HTML in self._tws.faults:
            self._writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n<html></html>")
            await self._writer.drain()
            return
        await reader.readexactly(4)  # "API" and a zero byte
        await self._message(reader)  # the versions that it speaks
        if TwsFault.SILENT not in self._tws.faults:
            self._send(str(SERVER_VERSION), "20261122 10:00:00 UTC")
        while True:
            kind, *fields = await self._message(reader)
            if not self._answer(kind, fields):
                await self._writer.drain()
                return

    def error(self, request_id: int | str, code: int, text: str) -> None:
        self._send("4", "2", request_id, code, text, "")

    def _answer(self, kind: str, fields: list[str]) -> bool:
        """Answer one request; False ends the connection."""
        if kind == _START_API:
            return self._log_in(int(fields[1]))
        if kind == _REQ_POSITIONS:
            return self._positions()
        if kind == _REQ_SUMMARY:
            self._summary(fields[1])
        elif kind == _CANCEL_SUMMARY:
            self._summaries.discard(fields[1])
        elif kind == _REQ_ACCOUNT_UPDATES and fields[1] == "1":
            account = fields[2]
            for row in self._tws.books.positions[account]:
                self._send(*row.portfolio(account))
            self._send("54", "1", account)
        return True

    def _log_in(self, client_id: int) -> bool:
        if client_id in self._tws.active_ids:
            self.error(-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
            return False
        self.client_id = client_id
        self._tws.active_ids.add(client_id)
        self._tws.logins.append(client_id)
        self._send("15", "1", ",".join(self._tws.books.accounts))
        self._send("9", "1", "1")
        self.error(-1, 2104, "Market data farm connection is OK:usfarm")
        if TwsFault.CUT_OFF in self._tws.faults:
            self.error(-1, 2110, "Connectivity between Trader Workstation and server is broken.")
        return True

    def _positions(self) -> bool:
        faults = self._tws.faults
        self._position_requests += 1
        logging_in = self._position_requests == 1
        rows = [row.position(account) for account, held in self._tws.books.positions.items() for row in held]
        if TwsFault.STRANGE_ACCOUNT in faults:
            rows.append(Row(con_id=1, symbol="X", quantity="1", avg_cost="1").position("U0000000"))
        if logging_in:
            self._rows(rows)
            if TwsFault.NO_LOGIN_END not in faults:
                self._send("62", "1")
            return True
        if TwsFault.GARBLED in faults:
            rows = [[*row, "surplus"] for row in rows]
        if TwsFault.NO_QUANTITY in faults:
            rows = [[*row[:-2], "", row[-1]] for row in rows]
        if faults & {TwsFault.DROPPED, TwsFault.TRUNCATED}:
            self._rows(rows[:1])
            if TwsFault.TRUNCATED in faults:
                self._writer.write(struct.pack(">I", 500) + b"61\x003\x00U1")
            return False
        if TwsFault.RATE_EXCEEDED in faults:
            self.error(-1, 100, "Max rate of messages per second has been exceeded:max=50 rec=51")
            return True
        self._rows(rows)
        if TwsFault.NO_POSITION_END in faults:
            self._tws.unanswered += 1
        else:
            self._send("62", "1")
        return True

    def _summary(self, request_id: str) -> None:
        faults = self._tws.faults
        for fault, code, text in (
            (TwsFault.REFUSED, 321, "Error validating request.-'bW' : cause - Group is not known"),
            (TwsFault.DISCLAIMER, 10141, "Paper trading disclaimer must first be accepted for API connection."),
        ):
            if fault in faults:
                self.error(request_id, code, text)
                return
        self._summaries.add(request_id)
        if TwsFault.SUMMARY_LIMIT in faults or len(self._summaries) > _MAX_SUMMARIES:
            self.error(request_id, 322, "Error processing request.-'bW' : Maximum number of account summary requests")
            return
        if TwsFault.NO_SUMMARY_ROWS not in faults:
            for account, values in self._tws.books.summary.items():
                for tag, value, currency in values:
                    self._send("63", "1", request_id, account, tag, value, currency)
        if TwsFault.NO_SUMMARY_END not in faults:
            self._send("64", "1", request_id)

    def _rows(self, rows: Iterable[list[str]]) -> None:
        for row in rows:
            self._send(*row)

    def _send(self, *fields: object) -> None:
        message = "".join(f"{value}\0" for value in fields).encode()
        self._writer.write(struct.pack(">I", len(message)) + message)

    async def _message(self, reader: asyncio.StreamReader) -> list[str]:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        return (await reader.readexactly(length)).decode().split("\0")[:-1]
