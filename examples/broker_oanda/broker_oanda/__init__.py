"""OANDA v20 as a broker of reconciliation-workers, by plain httpx.

Options: `base_url` (default: the practice server), `timeout_seconds`, `requests_per_second`, `concurrency`.
Secret: `token`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import httpx

from broker_oanda.answers import read_account, read_open_count, read_positions
from reconciliation.broker import (
    BrokerAccount,
    BrokerLimits,
    BrokerOptions,
    BrokerPosition,
    ClosableBroker,
    Credentials,
    Incomplete,
    MeteredBroker,
    ReadError,
    RequestPermits,
    Unavailable,
    decode_json,
    read_limits,
    read_timeout,
    refusal,
)

Answer = TypeVar("Answer")

PRACTICE_SERVER = "https://api-fxpractice.oanda.com"
#: OANDA allows 120 requests a second on at most 20 connections.
DOCUMENTED_LIMITS = BrokerLimits(requests_per_second=120, concurrency=8)


def open_oanda(options: Mapping[str, Any], secrets: Mapping[str, str]) -> "OandaBroker":
    """Return the broker. Nothing is contacted yet."""
    given = BrokerOptions("oanda", options)
    credentials = Credentials("oanda", secrets, ["token"])
    credentials.require("token")
    broker = OandaBroker(
        base_url=given.text("base_url", PRACTICE_SERVER),
        credentials=credentials,
        timeout_seconds=read_timeout(given),
        limits=read_limits(given, DOCUMENTED_LIMITS),
    )
    given.check_all_read()
    return broker


class OandaBroker(ClosableBroker, MeteredBroker):
    """Positions and balances of OANDA accounts, named by their v20 account id."""

    def __init__(
        self, *, base_url: str, credentials: Credentials, timeout_seconds: float, limits: BrokerLimits
    ) -> None:
        self._base_url = base_url
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._limits = limits
        self._client: httpx.AsyncClient | None = None
        self._proven: set[str] = set()
        self._is_closed = False
        self._permits: RequestPermits | None = None

    @property
    def limits(self) -> BrokerLimits:
        return self._limits

    def take_permits_from(self, permits: RequestPermits) -> None:
        self._permits = permits

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        if account_id not in self._proven:
            # The list of positions does not say whose it is; the summary does.
            await self.get_account(account_id)
        positions = await self._read(account_id, "openPositions", read_positions)
        if not positions:
            # A wrong "flat" is the costliest mistake: cross-check it with a second request.
            count = await self._read(account_id, "summary", read_open_count)
            if count:
                raise Incomplete(
                    f"OANDA listed no positions, yet counts {count} in account {account_id!r}", account_id=account_id
                )
        return positions

    async def get_account(self, account_id: str) -> BrokerAccount:
        account = await self._read(account_id, "summary", read_account)
        self._proven.add(account_id)
        return account

    async def close(self) -> None:
        self._is_closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _read(self, account_id: str, what: str, read: Callable[[Any, str], Answer]) -> Answer:
        """Ask and read, or raise an error of the tree that holds nothing of the request."""
        failure: ReadError
        try:
            client = self._connected()
            # The permit comes first: the wait for it does not count as time of the broker.
            async with self._permits.permit() if self._permits else nullcontext():
                async with asyncio.timeout(self._timeout_seconds):
                    return read(await _ask(client, f"/v3/accounts/{account_id}/{what}"), account_id)
        except ReadError as error:
            failure = self._cleaned(error, account_id)
        except (TimeoutError, httpx.TimeoutException):
            failure = Unavailable(f"OANDA gave no answer within {self._timeout_seconds:g} s", account_id=account_id)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = Unavailable(f"OANDA could not be reached ({type(error).__name__})", account_id=account_id)
        # Raised outside the handler: the errors of httpx hold the request with its token.
        raise failure

    def _connected(self) -> httpx.AsyncClient:
        if self._is_closed:
            raise Unavailable("OANDA was asked after its connection had been closed")
        if self._client is None:
            # Its DEBUG lines show headers.
            logging.getLogger("httpcore").setLevel(logging.INFO)
            token = self._credentials.values()["token"]
            self._client = httpx.AsyncClient(
                base_url=self._base_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=self._timeout_seconds,
                limits=httpx.Limits(max_connections=self._limits.concurrency),
            )
        return self._client

    def _cleaned(self, error: ReadError, account_id: str) -> ReadError:
        """Redact what a server may have quoted, and keep no reference to the request."""
        error.args = (self._credentials.hide(str(error)),)
        error.account_id = account_id
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


async def _ask(client: httpx.AsyncClient, path: str) -> Any:
    async with client.stream("GET", path) as response:
        refused = refusal(response.status_code, response.headers, "OANDA")
        if refused is not None:
            raise refused
        try:
            body = await response.aread()
        except httpx.RemoteProtocolError:
            raise Incomplete("OANDA answered with a body that is cut off") from None
    return decode_json(body, "OANDA")
