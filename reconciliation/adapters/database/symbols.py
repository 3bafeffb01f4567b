"""Symbol mappings in the database, and the resolver made of them."""

from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, text

from reconciliation.adapters.database.bulk_rows import insert_rows
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.symbols import SymbolMappingRow
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.errors import InvalidInputError

#: Workers follow a change within this.
MAX_AGE_SECONDS = 5.0

#: PostgreSQL's advisory lock for changes of the mappings, so that two that overlap cannot both be added.
_LOCK_NUMBER = 4_207_031_993

_FIELDS = ("broker", "broker_symbol", "local_symbol", "asset_type", "valid_from", "valid_to")
_ALL = select(SymbolMappingRow.id, *(getattr(SymbolMappingRow, name) for name in _FIELDS)).order_by(
    SymbolMappingRow.broker_symbol, SymbolMappingRow.broker, SymbolMappingRow.id
)


class SymbolStore:
    """The mapping table. Every method raises StorageError when the database cannot be reached."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self) -> list[tuple[int, SymbolMapping]]:
        """Return every mapping with its number."""
        with read_transaction(self._engine) as connection:
            return _read(connection)

    def add(self, mappings: Sequence[SymbolMapping]) -> int:
        """Add all mappings or none; return how many were new. A mapping that exists already is not an error.

        Raises:
            InvalidInputError: two mappings, new or stored, map one symbol differently on one day.
        """
        with write_transaction(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            present = [mapping for _, mapping in _read(connection)]
            new: list[SymbolMapping] = []
            for mapping in mappings:
                rivals = [other for other in present if other.overlaps(mapping)]
                if mapping in rivals:
                    continue
                if rivals:
                    raise InvalidInputError(
                        f"{_sentence(mapping)}, but already {_sentence(rivals[0])}: remove that one"
                    )
                present.append(mapping)
                new.append(mapping)
            insert_rows(connection, SymbolMappingRow, [_values(mapping) for mapping in new])
        return len(new)

    def remove(self, number: int) -> None:
        """Remove the mapping with this number.

        Raises:
            InvalidInputError: there is none.
        """
        with write_transaction(self._engine) as connection:
            gone = connection.execute(delete(SymbolMappingRow).where(SymbolMappingRow.id == number))
            if not gone.rowcount:
                raise InvalidInputError(f"there is no symbol mapping {number}: `reconcile symbols list` shows them")


class StoredSymbols:
    """The resolver of the mappings as they were at most `MAX_AGE_SECONDS` ago. Safe in threads."""

    def __init__(self, store: SymbolStore, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self._resolver = SymbolResolver()
        self._read_at: float | None = None

    def get_resolver(self) -> SymbolResolver:
        """Return the resolver.

        Raises:
            StorageError: the database cannot be reached.
        """
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at >= MAX_AGE_SECONDS:
                self._resolver = SymbolResolver(mapping for _, mapping in self._store.all())
                self._read_at = self._clock()
            return self._resolver


def _read(connection: Connection) -> list[tuple[int, SymbolMapping]]:
    rows = connection.execute(_ALL).all()
    return [(row[0], SymbolMapping(**dict(zip(_FIELDS, row[1:], strict=True)))) for row in rows]


def _values(mapping: SymbolMapping) -> dict[str, Any]:
    return {name: getattr(mapping, name) for name in _FIELDS}


def _sentence(mapping: SymbolMapping) -> str:
    kind = f" ({mapping.asset_type.value})" if mapping.asset_type else ""
    days = f" from {mapping.valid_from or 'ever'} to {mapping.valid_to or 'ever'}"
    return f"{mapping.broker_symbol!r} of {mapping.broker!r}{kind} is {mapping.local_symbol!r}{days}"
