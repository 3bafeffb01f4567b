"""One connection to TWS or IB Gateway by ib_async: opened, read from until its first failure, never reused after it.

A failed connection is thrown away because positions carry no request id: the late end marker of a request that was
given up would end the next one early, and a part would look like the whole.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ib_async import IB, AccountValue, Contract
from ib_async.ib import StartupFetchNONE
from ib_async.objects import Position
from ib_async.wrapper import RequestError

from reconciliation.adapters.brokers.ibkr.decoder import StrictDecoder
from reconciliation.adapters.brokers.ibkr.errors import Notice, error_of, link_lost_error, notice_of
from reconciliation.adapters.brokers.ibkr.rows import GatewayBook, PositionRow, SummaryRow
from reconciliation.errors import BadData, Incomplete, ReadError, Unavailable

#: Above this IBKR does not answer positions and summaries for all accounts of a login at once.
MAX_ACCOUNTS_PER_LOGIN = 50
_SUMMARY_TAGS = "NetLiquidation,TotalCashValue,BuyingPower,InitMarginReq,$LEDGER:ALL"
#: A login's whole answer is some kilobytes; a peer that sends more is no Gateway.
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CLOSE_TIMEOUT_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class GatewayAddress:
    """Where the Gateway listens, which client ids we may use there, and how long we wait."""

    host: str
    port: int
    client_ids: Sequence[int]
    connect_timeout_seconds: float
    answer_timeout_seconds: float

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ClientIdInUse(Unavailable):
    """Raised when another program is connected under this client id. Another id, or a later retry, helps."""


class GatewaySession:
    """One connection, of one event loop. A task of that loop holds it, so that the loop's end is its end, too."""

    def __init__(self, address: GatewayAddress) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._broken: asyncio.Future[ReadError] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._logged_in = False
        self._link_lost = False
        self._received_bytes = 0
        self._summary: list[SummaryRow] = []
        self._ib = IB()
        self._ib.RaiseRequestErrors = True
        self._ib.client.decoder = StrictDecoder(self._ib.wrapper, self._break)
        self._ib.errorEvent += self._on_message
        self._ib.accountSummaryEvent += self._on_summary
        self._ib.client.conn.hasData += self._on_data
        self._ib.client.conn.disconnected += self._on_disconnected
        self._keeper = self._loop.create_task(self._keep())

    @property
    def accounts(self) -> Sequence[str]:
        return self._ib.managedAccounts()

    def usable(self) -> bool:
        """Say whether a read may be tried: the same loop, still connected, never failed."""
        return self._connected() and not self._link_lost and not self._broken.done()

    def cut_off(self) -> bool:
        """Say whether the Gateway is there and has reported that it lost IBKR."""
        return self._connected() and self._link_lost

    async def connect(self, client_id: int) -> None:
        """Log in under `client_id`, or raise a `ReadError`; the session is closed then."""
        address = self._address
        seconds = address.connect_timeout_seconds
        connecting = self._ib.connectAsync(
            address.host,
            address.port,
            client_id,
            seconds,
            readonly=True,
            raiseSyncErrors=True,
            fetchFields=StartupFetchNONE,
        )
        await self._unless_broken(connecting, seconds, self._late_login)
        self._logged_in = True
        # Logging in subscribes to positions; each read wants an answer of its own.
        self._ib.client.cancelPositions()

    async def read(self, market_values_of: Iterable[str] = ()) -> GatewayBook:
        """Ask for positions and summaries of all accounts, and wait for each end marker.

        Raises:
            ReadError: something is missing, late or unclear. The session is closed, unless only the Gateway's own
                link is down: then it stays to hear of its return.
        """
        async with self._turn:
            if self._broken.done():
                raise self._broken.result()
            if not self.usable():
                raise Unavailable(f"the connection to {self._address} was given up after another read failed")
            self._received_bytes = 0
            positions = await self._ask(self._ib.reqPositionsAsync(), "positions")
            self._ib.client.cancelPositions()
            summary = await self._read_summary()
            values = {account: await self._read_market_values(account) for account in market_values_of}
            rows = [_position_row(position) for position in positions]
            return GatewayBook(positions=tuple(_with_market_value(row, values) for row in rows), summary=summary)

    async def close(self) -> None:
        """Close the connection and wait, briefly, until its socket is gone."""
        self.discard()
        if self._loop is asyncio.get_running_loop() and self._ib.client.conn.isConnected():
            await asyncio.wait({self._gone}, timeout=_CLOSE_TIMEOUT_SECONDS)

    def discard(self) -> None:
        """Close the connection without waiting; from another loop, leave it to the one that holds it."""
        if self._loop.is_closed():
            return
        if self._loop is asyncio.get_running_loop():
            self._keeper.cancel()
            self._hang_up()
        else:
            self._loop.call_soon_threadsafe(self._keeper.cancel)

    async def _read_summary(self) -> tuple[SummaryRow, ...]:
        self._summary = []
        request_id = self._ib.client.getReqId()
        done = self._ib.wrapper.startReq(request_id)
        self._ib.client.reqAccountSummary(request_id, "All", _SUMMARY_TAGS)
        await self._ask(done, "account summary")
        # IBKR allows two summaries at a time for a client; one that is not cancelled counts (error 322).
        self._ib.client.cancelAccountSummary(request_id)
        return tuple(self._summary)

    async def _read_market_values(self, account: str) -> dict[tuple[int, float], float]:
        self._ib.wrapper.portfolio.pop(account, None)
        await self._ask(self._ib.reqAccountUpdatesAsync(account), f"portfolio of {account!r}")
        self._ib.client.reqAccountUpdates(False, account)
        return {(item.contract.conId, item.position): item.marketValue for item in self._ib.portfolio(account)}

    async def _ask(self, answer: Awaitable[T], what: str) -> T:
        seconds = self._address.answer_timeout_seconds
        late = Incomplete(
            f"the Gateway at {self._address} did not end its answer ({what}) within {seconds:g} s: "
            "rows may be missing, so none is used"
        )
        return await self._unless_broken(answer, seconds, lambda: late)

    def _late_login(self) -> ReadError:
        seconds = self._address.connect_timeout_seconds
        if self._ib.isConnected():
            return Incomplete(f"the Gateway at {self._address} did not end its first positions within {seconds:g} s")
        return Unavailable(f"the Gateway at {self._address} did not complete the login within {seconds:g} s")

    async def _unless_broken(self, answer: Awaitable[T], seconds: float, late: Callable[[], ReadError]) -> T:
        task: asyncio.Future[Any] = asyncio.ensure_future(answer)
        answered = False
        try:
            await asyncio.wait((task, self._broken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            result: T = self._settled(task, late)
            answered = True
            return result
        finally:
            # A cut-off Gateway may not report that to a new client: stay until it reports the link restored.
            if not answered and not self.cut_off():
                self.discard()
            task.cancel()
            task.add_done_callback(_forget)

    def _settled(self, task: asyncio.Future[Any], late: Callable[[], ReadError]) -> Any:
        if self._broken.done():
            raise self._broken.result()
        if not task.done():
            raise late()
        try:
            return task.result()
        except RequestError as error:
            raise error_of(error.code, error.message) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unavailable(f"the Gateway at {self._address} cannot be reached: {reason}") from error

    def _connected(self) -> bool:
        return self._loop is asyncio.get_running_loop() and self._ib.isConnected()

    async def _keep(self) -> None:
        try:
            await asyncio.shield(self._gone)
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        with suppress(RuntimeError):
            self._ib.client.disconnect()
        self._ib.wrapper.reset()

    def _break(self, error: ReadError) -> None:
        if not self._broken.done():
            self._broken.set_result(error)

    def _on_message(self, _request_id: int, code: int, text: str, _contract: Contract | None) -> None:
        match notice_of(code):
            case Notice.LINK_LOST:
                self._link_lost = True
                if self._logged_in:
                    self._break(link_lost_error())
            case Notice.LINK_RESTORED:
                # The SDK subscribes to a summary of its own now: a fresh connection is simpler than counting it.
                self._link_lost = False
                self._break(Unavailable("the Gateway's link to IBKR was restored: what was being read is void"))
                self.discard()
            case Notice.CLIENT_ID_IN_USE:
                self._break(ClientIdInUse(f"the Gateway at {self._address} says that the client id is in use"))
            case Notice.FAIL:
                self._break(error_of(code, text))
            case Notice.IGNORE:
                pass

    def _on_summary(self, value: AccountValue) -> None:
        self._summary.append(
            SummaryRow(account=value.account, tag=value.tag, value=value.value, currency=value.currency)
        )

    def _on_data(self, data: bytes) -> None:
        self._received_bytes += len(data)
        if self._received_bytes > _MAX_ANSWER_BYTES:
            self._break(BadData(f"{self._address} sent more than {_MAX_ANSWER_BYTES} bytes: is it a Gateway?"))
            self.discard()

    def _on_disconnected(self, _reason: str) -> None:
        self._break(
            Unavailable(
                f"the Gateway at {self._address} closed the connection: it restarts, the API is off, or this host is "
                "not among its trusted addresses"
            )
        )
        if not self._gone.done():
            self._gone.set_result(None)


def _position_row(position: Position) -> PositionRow:
    contract = position.contract
    return PositionRow(
        account=position.account,
        con_id=contract.conId,
        symbol=contract.symbol,
        local_symbol=contract.localSymbol,
        sec_type=contract.secType,
        currency=contract.currency,
        multiplier=contract.multiplier,
        quantity=position.position,
        avg_cost=position.avgCost,
    )


def _with_market_value(row: PositionRow, values: Mapping[str, Mapping[tuple[int, float], float]]) -> PositionRow:
    """Add the portfolio's value, unless the quantity has changed between the two answers."""
    return replace(row, market_value=values.get(row.account, {}).get((row.con_id, row.quantity)))


def _forget(task: asyncio.Future[Any]) -> None:
    """Fetch the error of an answer that is no longer wanted, or asyncio logs it as never retrieved."""
    if not task.cancelled():
        task.exception()


def quiet_sdk_logging() -> None:
    """Keep the SDK from logging every row: at INFO it does. A level that someone has set stays."""
    logger = logging.getLogger("ib_async")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
