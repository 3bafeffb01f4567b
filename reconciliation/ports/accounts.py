"""How accounts are to be reconciled, and where that is known."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.model.accounts import Connection, RegisteredAccount, RegistryChanges
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


class ConnectionDefinitions(Protocol):
    """The connections as they are defined now, the default one included. Blocking; may raise StorageError."""

    def get(self, name: str) -> Connection | None: ...

    def known(self) -> Mapping[str, Connection]:
        """Return all connections by name, as they were some seconds ago at most."""
        ...

    def in_flight_limits(self) -> Mapping[str, int]:
        """Return how many entries of each slow connection may be under way."""
        ...


@dataclass(frozen=True, kw_only=True)
class AccountFilter:
    """Which accounts are meant; an empty one means all."""

    account_ids: Collection[str] | None = None
    labels: Collection[str] = ()
    connection: str | None = None
    enabled: bool | None = None


class AccountRegistry(Protocol):
    """The registered accounts. Blocking; every method raises StorageError when the database cannot be reached."""

    def add(self, accounts: Iterable[RegisteredAccount]) -> None:
        """Register new accounts, all or none.

        Raises:
            InvalidInputError: one is registered already, or named twice.
        """
        ...

    def put(self, accounts: Iterable[RegisteredAccount]) -> tuple[int, int]:
        """Register accounts or replace them whole; return how many were added and how many changed."""
        ...

    def change(self, which: AccountFilter, **changes: Any) -> int:
        """Give the accounts these values; return how many are different now.

        Raises:
            InvalidInputError: a value cannot be accepted, or a named account is not registered.
        """
        ...

    def find(self, which: AccountFilter) -> Sequence[RegisteredAccount]: ...

    def find_ids(self, which: AccountFilter) -> Sequence[str]: ...

    def count(self) -> int: ...

    def revision(self) -> int:
        """Return the number of the latest change."""
        ...

    def changes_since(self, revision: int | None) -> RegistryChanges:
        """Return what changed after that revision; all accounts where None is given."""
        ...

    def note_scheduled(self, account_ids: Collection[str], at: datetime) -> None:
        """Record that these accounts are in the schedule."""
        ...


class ConnectionRegistry(Protocol):
    """The registered connections. Blocking; every method raises StorageError when the database cannot be reached."""

    def add(self, connection: Connection) -> None:
        """Register a connection.

        Raises:
            InvalidInputError: there is one of that name.
        """
        ...

    def change(self, name: str, change: Callable[[Connection], Connection]) -> None:
        """Replace a connection by what `change` makes of it, with no other change in between.

        Raises:
            InvalidInputError: there is none of that name, or `change` refuses.
        """
        ...
