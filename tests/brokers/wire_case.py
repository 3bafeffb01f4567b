"""What every broker that is asked over HTTP gives the wire suite: a server in its own protocol, and its adapter."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciliation.broker.query import BrokerQuery
from reconciliation.models import AssetType
from tests.brokers.http_server import BrokerServer

#: Long enough for a busy machine to answer, short enough to wait for in a test.
TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Holding:
    """One row that the server is to hold, in words of no broker."""

    symbol: str
    quantity: str
    avg_cost: str | None = "100.25"
    asset_type: AssetType | None = None


class WireCase(ABC):
    """One broker under the wire suite."""

    account_id: str
    #: Marks the request for positions, and the one for figures (see `BrokerServer.faults`).
    positions_marker: str
    account_marker: str
    #: Symbols as the broker writes them: what it trades most, and an option where it has those.
    symbols: Sequence[str]
    asset_type: AssetType
    option_symbol: str | None = None
    #: Whether this broker sells short, says what a holding cost, and tells one account from another by itself.
    has_shorts: bool = True
    has_costs: bool = True
    has_identity: bool = True
    #: Whether it tells cash apart, and lists one symbol in several rows.
    has_cash: bool = True
    has_lots: bool = True
    #: Whether a row may lack its cost; where it may not, such a row must not be lost in silence.
    may_lack_costs: bool = True
    #: Changes one row so that a word which the sign of the quantity depends on is a new one; None: there is no such.
    unknown_side: Callable[[dict[str, Any]], None] | None = None
    #: Whether one broker serves many event loops; an asyncio client belongs to one.
    outlives_loop: bool = True
    secrets: Mapping[str, str]
    server: BrokerServer

    @abstractmethod
    def open(self, timeout_seconds: float = TIMEOUT_SECONDS) -> BrokerQuery:
        """Return the real adapter, pointed at the server."""

    @abstractmethod
    def hold(self, *holdings: Holding) -> None:
        """Let the server hold exactly these."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the server's rows in the broker's own form, to be changed in place."""

    @abstractmethod
    def become_another_account(self) -> None:
        """Let the server answer for an account that was not asked for."""

    def contradicts_flat(self) -> bool:
        """Let the figures say that something is held; False: this broker's figures don't tell."""
        return False

    def close(self) -> None:
        self.server.close()
