"""Whether the database takes what we write: for health checks."""

from sqlalchemy import Engine, func, select, update

from reconciliation.adapters.database.registry import registry_transaction
from reconciliation.adapters.database.tables.local_book import Base
from reconciliation.adapters.database.tables.registry import RegistryStateRow
from reconciliation.errors import StorageError

_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def probe_write(engine: Engine) -> None:
    """Write one row as it is, and ask for the rights on every table: only this finds what cannot be written.

    Raises:
        StorageError: the database refuses, with its reason.
    """
    with registry_transaction(engine) as db:
        db.execute(update(RegistryStateRow).values(revision=RegistryStateRow.revision))
        if db.dialect.name != "postgresql":
            return
        asked = [(table, right) for table in Base.metadata.tables for right in _RIGHTS]
        granted = db.execute(select(*(func.has_table_privilege(*each) for each in asked))).one()
        missing = sorted({table for (table, _), has in zip(asked, granted, strict=True) if not has})
        if missing:
            raise StorageError(f"the database user may not read and write {', '.join(missing)}: grant the rights to it")
