"""Register accounts, change and remove them: checked as a whole before anything is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciliation.domain.model.accounts import DEFAULT_CONNECTION, Connection, RegisteredAccount, rules_from_json
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter, AccountRegistry


class AccountManagement:
    """Changes the registry of accounts.

    Args:
        registry: where accounts are kept.
        find_connection: returns the connection of a name, if there is one.
        defaults: what an account follows where it has no value of its own.
    """

    def __init__(
        self,
        *,
        registry: AccountRegistry,
        find_connection: Callable[[str], Connection | None],
        defaults: ReconciliationConfig,
    ) -> None:
        self._registry = registry
        self._find_connection = find_connection
        self._defaults = defaults

    def add(self, account_ids: Sequence[str], values: Mapping[str, Any]) -> None:
        """Register new accounts with these values, all or none.

        Raises:
            InvalidInputError: a value cannot be accepted, a connection is missing, or an account is there already.
            StorageError: the database cannot be reached.
        """
        made = [replace(RegisteredAccount(account_id=name), **own_values(name, values)) for name in account_ids]
        self._require_usable(made)
        self._registry.add(made)

    def put(self, accounts: Iterable[RegisteredAccount]) -> tuple[int, int]:
        """Register accounts or replace them whole, all or none; return how many were added and how many changed.

        Raises:
            InvalidInputError: values cannot work together, or a connection is missing.
            StorageError: the database cannot be reached.
        """
        made = list(accounts)
        self._require_usable(made)
        return self._registry.put(made)

    def change(self, account_ids: Sequence[str], values: Mapping[str, Any]) -> int:
        """Give accounts these values; return how many are different now.

        Raises:
            InvalidInputError: a value cannot be accepted, or a connection or an account is missing.
            StorageError: the database cannot be reached.
        """
        if "connection" in values:
            self._require_connection(values["connection"])
        if "tolerances" not in values:
            return self._registry.change(AccountFilter(account_ids=account_ids), **own_values("", values))
        # A tolerance names its account: each account gets rules of its own.
        return sum(
            self._registry.change(AccountFilter(account_ids=[name]), **own_values(name, values)) for name in account_ids
        )

    def switch(self, which: AccountFilter, *, enabled: bool) -> int:
        """Enable or disable accounts; return how many are different now.

        Raises:
            InvalidInputError: a named account is not registered.
            StorageError: the database cannot be reached.
        """
        return self._registry.change(which, enabled=enabled)

    def count_without_broker(self) -> int:
        """Return how many enabled accounts have no broker, so that they are not scheduled.

        Raises:
            StorageError: the database cannot be reached.
        """
        if self._find_connection(DEFAULT_CONNECTION) is not None:
            return 0
        return len(self._registry.find_ids(AccountFilter(connection=DEFAULT_CONNECTION, enabled=True)))

    def get(self, account_id: str) -> RegisteredAccount:
        """Return one account.

        Raises:
            InvalidInputError: it is not registered.
            StorageError: the database cannot be reached.
        """
        found = self._registry.find(AccountFilter(account_ids=[account_id]))
        if not found:
            raise InvalidInputError(f"account {account_id!r} is not registered: see `reconcile accounts list`")
        return found[0]

    def _require_usable(self, made: Sequence[RegisteredAccount]) -> None:
        for name in sorted({account.connection for account in made}):
            self._require_connection(name)
        for account in made:
            account.config(self._defaults)

    def _require_connection(self, name: str) -> None:
        # Accounts may be registered before a broker is chosen for them: they are not scheduled until then.
        if name != DEFAULT_CONNECTION and self._find_connection(name) is None:
            raise InvalidInputError(
                f"there is no connection {name!r}: add it first with `reconcile connections add {name} --broker …`"
            )


def own_values(account_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of one account as the domain has them: labels as a set, tolerances as rules.

    Raises:
        InvalidInputError: a tolerance cannot be read.
    """
    own = dict(values)
    if "labels" in own:
        own["labels"] = frozenset(own["labels"])
    if "tolerances" in own:
        own["tolerances"] = rules_from_json(account_id, own["tolerances"])
    return own
