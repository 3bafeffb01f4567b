"""The broker logins in the database: by name, with references to their secrets and never the secrets themselves."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.registry import next_revision, registry_transaction
from reconciliation.adapters.database.tables.registry import AccountRow, ConnectionRow
from reconciliation.domain.model.accounts import Connection
from reconciliation.errors import InvalidInputError
from reconciliation.support.wording import counted

#: A change of a connection is noticed within this time.
KEPT_SECONDS = 2.0

_COLUMNS = ("name", "broker", "options", "secrets", "requests_per_second", "concurrency")


class ConnectionStore:
    """The registered connections. Blocking; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, connection: Connection) -> None:
        """Register a connection.

        Raises:
            InvalidInputError: there is one of that name.
        """
        with registry_transaction(self._engine) as db:
            if db.execute(select(ConnectionRow.name).where(ConnectionRow.name == connection.name)).first():
                raise InvalidInputError(
                    f"connection {connection.name!r} exists: change it with `reconcile connections set`"
                )
            revision = next_revision(db)
            db.execute(insert(ConnectionRow).values(**_values(connection), revision=revision))
            # Accounts that waited for it are scheduled now.
            waiting = update(AccountRow).where(AccountRow.connection == connection.name)
            db.execute(waiting.values(revision=revision))

    def change(self, name: str, change: Callable[[Connection], Connection]) -> None:
        """Replace a connection by what `change` makes of it; workers open the new one within seconds.

        Raises:
            InvalidInputError: there is none of that name, or `change` refuses.
        """
        with registry_transaction(self._engine) as db:
            row = db.execute(select(*_SELECTED).where(ConnectionRow.name == name)).first()
            if row is None:
                raise _unknown(name)
            changed = _values(change(Connection(**row._asdict())))
            revision = next_revision(db)
            db.execute(update(ConnectionRow).where(ConnectionRow.name == name).values(**changed, revision=revision))

    def remove(self, name: str) -> None:
        """Remove a connection that no account uses.

        Raises:
            InvalidInputError: there is none of that name, or accounts still use it.
        """
        with registry_transaction(self._engine) as db:
            users = db.execute(select(func.count()).where(AccountRow.connection == name)).scalar_one()
            if users:
                raise InvalidInputError(
                    f"connection {name!r} is used by {counted(users, 'account')}: move them with "
                    "`reconcile accounts set --connection`, or remove them"
                )
            if not db.execute(delete(ConnectionRow).where(ConnectionRow.name == name)).rowcount:
                raise _unknown(name)
            next_revision(db)

    def get(self, name: str) -> Connection | None:
        with read_transaction(self._engine) as db:
            row = db.execute(select(*_SELECTED).where(ConnectionRow.name == name)).first()
        return None if row is None else Connection(**row._asdict())

    def find(self) -> list[Connection]:
        """Return all connections, by name."""
        with read_transaction(self._engine) as db:
            rows = db.execute(select(*_SELECTED).order_by(ConnectionRow.name)).all()
        return [Connection(**row._asdict()) for row in rows]


class ConnectionDefinitions:
    """Connections as runs need them: registered ones, and the settings' own as `default` unless one of that name is.

    Args:
        store: the registered ones.
        default: the one that the settings define, if they choose a broker.
        sweep_size: accounts in one sweep, at most.
        sweep_seconds: how long one sweep may take.
    """

    def __init__(
        self, store: ConnectionStore, default: Connection | None, *, sweep_size: int, sweep_seconds: float
    ) -> None:
        self._store = store
        self._default = default
        self._sweep_size = sweep_size
        self._sweep_seconds = sweep_seconds
        self._known: Mapping[str, Connection] = {}
        self._read_at: float | None = None

    def get(self, name: str) -> Connection | None:
        return self._store.get(name) or (self._default if self._default and name == self._default.name else None)

    def known(self) -> Mapping[str, Connection]:
        """Return all connections by name, as they were at most `KEPT_SECONDS` ago."""
        now = monotonic()
        if self._read_at is None or now - self._read_at >= KEPT_SECONDS:
            default = [] if self._default is None else [self._default]
            self._known = {each.name: each for each in (*default, *self._store.find())}
            self._read_at = now
        return self._known

    def in_flight_limits(self) -> Mapping[str, int]:
        """Return how many accounts of each slow login may be under way."""
        limits = {each.name: each.in_flight_limit(self._sweep_size, self._sweep_seconds) for each in self._store.find()}
        return {name: limit for name, limit in limits.items() if limit is not None}


_SELECTED = (*(getattr(ConnectionRow, name) for name in _COLUMNS), ConnectionRow.revision)


def _values(connection: Connection) -> dict[str, Any]:
    values = {name: getattr(connection, name) for name in _COLUMNS}
    return values | {"options": dict(connection.options), "secrets": dict(connection.secrets)}


def _unknown(name: str) -> InvalidInputError:
    return InvalidInputError(f"there is no connection {name!r}: see `reconcile connections list`")
