"""The one module that imports alpaca-py. It requests raw answers: one unknown word fails the SDK's own models."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from alpaca.broker.client import BrokerClient
from alpaca.common.rest import RESTClient
from alpaca.trading.client import TradingClient

from reconciliation.adapters.brokers.sdk.requests_transport import GuardedAdapter, guard
from reconciliation.errors import BadData


class AlpacaClient(Protocol):
    """What we ask of Alpaca, whichever of its two APIs answers."""

    def positions(self, account_id: str) -> Any: ...
    def account(self, account_id: str) -> Any: ...
    def close(self) -> None: ...


class TradingAccount:
    """The Trading API: the key is the account, so the account id is not sent."""

    def __init__(self, client: TradingClient) -> None:
        self._client = client

    def positions(self, _: str) -> Any:
        return self._client.get_all_positions()

    def account(self, _: str) -> Any:
        return self._client.get_account()

    def close(self) -> None:
        _close(self._client)


class BrokerAccounts:
    """The Broker API: one key for all accounts of a firm's customers, each named by its UUID."""

    def __init__(self, client: BrokerClient) -> None:
        self._client = client

    def positions(self, account_id: str) -> Any:
        return self._client.get_all_positions_for_account(_uuid(account_id))

    def account(self, account_id: str) -> Any:
        return self._client.get_trade_account_by_id(_uuid(account_id))

    def close(self) -> None:
        _close(self._client)


def connect_alpaca(
    *,
    api: str,
    paper: bool,
    base_url: str | None,
    secrets: Mapping[str, str],
    timeout_seconds: float,
    connections: int,
    permit: Callable[[], AbstractContextManager[None]],
) -> AlpacaClient:
    """Return a client whose every request has a permit, ends in `timeout_seconds` and raises from our error tree."""
    adapter = GuardedAdapter(who="Alpaca", timeout_seconds=timeout_seconds, connections=connections, permit=permit)
    if api == "broker":
        client = BrokerClient(**secrets, sandbox=paper, raw_data=True, url_override=base_url)
        guard(_session(client), adapter)
        return BrokerAccounts(client)
    trading = TradingClient(**secrets, paper=paper, raw_data=True, url_override=base_url)
    guard(_session(trading), adapter)
    return TradingAccount(trading)


def _session(client: RESTClient) -> Any:
    # The SDK has no option for a time-out; its session is the only door.
    return client._session  # noqa: SLF001


def _close(client: RESTClient) -> None:
    _session(client).close()


def _uuid(account_id: str) -> UUID:
    try:
        return UUID(account_id)
    except ValueError:
        raise BadData(
            f"{account_id!r} is not an account id of Alpaca's Broker API: give the UUID, not the account number"
        ) from None
