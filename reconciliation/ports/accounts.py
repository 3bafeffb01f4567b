"""How accounts are to be reconciled, and where that is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.errors import ReadError


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """How one account is to be reconciled: its configuration, and where the broker knows it."""

    config: ReconciliationConfig
    connection: str
    broker_account_id: str
    #: The kind of broker behind the connection, for symbol mappings that speak of it.
    broker: str = ""


class AccountDirectory(Protocol):
    """Where plans come from. Blocking: the use case calls it in a thread, as it does the other two blocking ports."""

    def get_plans(self, account_ids: Sequence[str]) -> Mapping[str, AccountPlan | ReadError]:
        """Return an entry for each asked account: its plan, or why it has none."""
        ...


class SymbolSource(Protocol):
    """Where the knowledge of symbols comes from. Blocking."""

    def get_resolver(self) -> SymbolResolver:
        """Return the resolver of this moment."""
        ...


class Mirror(Protocol):
    """The registry as Redis knows it. Blocking."""

    def refresh(self) -> bool: ...


class InFlightLimits(Protocol):
    """How many entries of a connection may be under way. Blocking."""

    def in_flight_limits(self) -> Mapping[str, int]: ...
