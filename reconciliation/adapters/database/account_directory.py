"""How each account is to be reconciled: what the registry says of it, else what the settings say of all."""

from collections.abc import Mapping, Sequence

from reconciliation.adapters.database.registry import Registry
from reconciliation.domain.model.accounts import CHOOSE_A_BROKER, Connection, RegisteredAccount
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.errors import BadData, InvalidInputError, ReadError
from reconciliation.ports.accounts import AccountFilter, AccountPlan, ConnectionDefinitions


class RegistryDirectory:
    """Plans from the registry. An account that is not registered, or has no connection, never reaches a broker."""

    def __init__(self, registry: Registry, connections: ConnectionDefinitions, defaults: ReconciliationConfig) -> None:
        self._registry = registry
        self._connections = connections
        self._defaults = defaults

    def get_plans(self, account_ids: Sequence[str]) -> dict[str, AccountPlan | ReadError]:
        """Return an entry for each asked account: its plan, or why it has none.

        Raises:
            StorageError: the database cannot be reached.
        """
        found = self._registry.find(AccountFilter(account_ids=account_ids), with_labels=False)
        registered = {each.account_id: each for each in found}
        connections = self._connections.known()
        return {
            account_id: self._plan(account_id, registered.get(account_id), connections) for account_id in account_ids
        }

    def _plan(
        self, account_id: str, registered: RegisteredAccount | None, connections: Mapping[str, Connection]
    ) -> AccountPlan | ReadError:
        if registered is None:
            return BadData(
                f"account {account_id!r} is not registered: check its name, or register it with "
                f"`reconcile accounts add {account_id}`",
                account_id=account_id,
            )
        # One that was just added is not among those that are some seconds old.
        connection = connections.get(registered.connection) or self._connections.get(registered.connection)
        if connection is None:
            return BadData(f"account {account_id!r} has no broker: {CHOOSE_A_BROKER}", account_id=account_id)
        try:
            config = registered.config(connection.config(self._defaults))
        except InvalidInputError as error:
            return BadData(f"account {account_id!r} cannot be reconciled as it is registered: {error}")
        return AccountPlan(
            config=config,
            connection=connection.name,
            broker_account_id=registered.broker_account_id or account_id,
            broker=connection.broker,
        )
