"""Interactive Brokers through TWS or IB Gateway; needs the extra `ibkr`."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from reconciliation.adapters.brokers.ibkr.errors import link_lost_error
from reconciliation.adapters.brokers.ibkr.gateway import (
    MAX_ACCOUNTS_PER_LOGIN,
    ClientIdInUse,
    GatewayAddress,
    GatewaySession,
    quiet_sdk_logging,
)
from reconciliation.adapters.brokers.ibkr.rows import GatewayBook, snapshot_of
from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import BadData, Incomplete, ReadError, Unavailable
from reconciliation.ports.broker import BrokerLimits, BrokerQuery, ClosableBroker, LimitedBroker, SnapshotBroker

_BROKER = "ibkr"
#: TWS and Gateway accept this many API clients at a time.
_MAX_CLIENTS = 32
_MAX_PORT = 65535


class IbkrBroker(SnapshotBroker, ClosableBroker, LimitedBroker):
    """All accounts of one login, read over one connection for each process.

    The connection is opened by the first read and lives as long as its event loop; a read after a failure, a restart
    of the Gateway or in another loop opens a new one.
    """

    def __init__(self, address: GatewayAddress, *, market_values: bool = False) -> None:
        self._address = address
        self._market_values = market_values
        self._session: GatewaySession | None = None
        self._opening: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    @property
    def limits(self) -> BrokerLimits:
        """TWS takes 50 messages a second from a client; a read of all accounts needs about five.

        The SDK itself sends a client's messages at 45 a second at most, whatever a read needs.
        """
        return BrokerLimits(requests_per_second=10, concurrency=1, requests_per_account=1)

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        session = await self._connected()
        known = set(session.accounts)
        asked = [account_id for account_id in account_ids if account_id in known]
        book = await session.read(asked if self._market_values else ()) if asked else None
        return {account_id: self._answer(account_id, known, book) for account_id in account_ids}

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _answer(self, account_id: str, known: set[str], book: GatewayBook | None) -> BrokerSnapshot | ReadError:
        if book is None or account_id not in known:
            return BadData(
                f"the login at {self._address} does not manage account {account_id!r}: "
                "assign the account to the connection that does",
                account_id=account_id,
            )
        strangers = {row.account for row in book.positions} - known
        if strangers:
            return BadData(
                f"the Gateway sent positions of {sorted(strangers)}, which its login does not manage: "
                f"whose they are is unsure, so account {account_id!r} is not compared",
                account_id=account_id,
            )
        try:
            return snapshot_of(account_id, book)
        except ReadError as error:
            return error

    async def _connected(self) -> GatewaySession:
        async with self._lock():
            session = self._session
            if session is None or not (session.usable() or session.cut_off()):
                if session is not None:
                    session.discard()
                self._session = session = await self._open()
            if session.cut_off():
                raise link_lost_error()
            return session

    async def _open(self) -> GatewaySession:
        """Log in under the first of our client ids that is free: the Gateway itself is who hands them out."""
        quiet_sdk_logging()
        for client_id in _from_own_place(self._address.client_ids):
            session = GatewaySession(self._address)
            try:
                await session.connect(client_id)
            except ClientIdInUse:
                continue
            count = len(session.accounts)
            if count > MAX_ACCOUNTS_PER_LOGIN:
                await session.close()
                raise Incomplete(
                    f"the login at {self._address} manages {count} accounts: above "
                    f"{MAX_ACCOUNTS_PER_LOGIN} IBKR does not answer for all of them at once; use Flex statements"
                )
            return session
        first, last = self._address.client_ids[0], self._address.client_ids[-1]
        raise Unavailable(
            f"all client ids from {first} to {last} are in use at {self._address}: "
            "give this connection a wider range in its option 'client_ids', one id for each worker process"
        )

    def _lock(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._opening is None or self._opening[0] is not loop:
            self._opening = (loop, asyncio.Lock())
        return self._opening[1]


def _from_own_place(client_ids: Sequence[int]) -> list[int]:
    """Return the ids beginning at a place of this process's own, so that workers seldom meet."""
    start = os.getpid() % len(client_ids)
    return [*client_ids[start:], *client_ids[:start]]


def open_broker(options: Mapping[str, Any], _secrets: Mapping[str, str]) -> BrokerQuery:
    """Return a broker for the Gateway that these options name. It holds the login; we hold no credentials."""
    reader = BrokerOptions(_BROKER, options)
    port = reader.number("port")
    if not 0 < port <= _MAX_PORT or port % 1:
        raise reader.wrong("port", f"a whole number up to {_MAX_PORT}")
    address = GatewayAddress(
        host=reader.text("host", "127.0.0.1"),
        port=int(port),
        client_ids=_client_ids(reader),
        connect_timeout_seconds=_seconds(reader, "connect_timeout_seconds", 8),
        answer_timeout_seconds=_seconds(reader, "answer_timeout_seconds", 10),
    )
    broker = IbkrBroker(address, market_values=reader.flag("market_values", default=False))
    reader.check_all_read()
    return broker


def _seconds(reader: BrokerOptions, name: str, default: float) -> float:
    seconds = reader.number(name, default)
    if seconds <= 0:
        raise reader.wrong(name, "a number of seconds above 0")
    return float(seconds)


def _client_ids(reader: BrokerOptions) -> range:
    """Return the range that `client_ids` names as text: "101-116"; id 0 would take over manual orders."""
    text = reader.text("client_ids", "101-116")
    first, _, last = text.partition("-")
    if not (first.strip().isdecimal() and (last.strip() or first.strip()).isdecimal()):
        raise reader.wrong("client_ids", 'a range such as "101-116"')
    ids = range(int(first), int(last or first) + 1)
    if not ids or ids[0] == 0 or len(ids) > _MAX_CLIENTS:
        raise reader.wrong("client_ids", f'a rising range of 1 to {_MAX_CLIENTS} ids without 0, such as "101-116"')
    return ids
