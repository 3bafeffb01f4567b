"""Register broker connections and change them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciliation.domain.model.accounts import Connection
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import ConnectionRegistry


class ConnectionManagement:
    """Changes the registry of connections.

    Args:
        connections: where connections are kept.
        broker_names: returns the names of the installed brokers.
    """

    def __init__(self, *, connections: ConnectionRegistry, broker_names: Callable[[], Sequence[str]]) -> None:
        self._connections = connections
        self._broker_names = broker_names

    def add(self, name: str, broker: str, values: Mapping[str, Any]) -> None:
        """Register a connection.

        Raises:
            InvalidInputError: the broker is not installed, a value cannot be accepted, or the name is taken.
            StorageError: the database cannot be reached.
        """
        self._require_broker(broker)
        self._connections.add(replace(Connection(name=name, broker=broker), **values))

    def change(self, name: str, broker: str | None, values: Mapping[str, Any]) -> None:
        """Change a connection: options and secrets that are named are added or replaced, the others stay.

        Raises:
            InvalidInputError: as `add`, or there is no connection of that name.
            StorageError: the database cannot be reached.
        """
        if broker is not None:
            self._require_broker(broker)

        def merge(before: Connection) -> Connection:
            merged: dict[str, Any] = {
                key: {**getattr(before, key), **value} if key in ("options", "secrets") else value
                for key, value in values.items()
            }
            return replace(before, broker=broker or before.broker, **merged)

        self._connections.change(name, merge)

    def _require_broker(self, broker: str) -> None:
        installed = self._broker_names()
        if broker not in installed and ":" not in broker:
            raise InvalidInputError(f"there is no broker {broker!r}; installed are: {', '.join(installed)}")
