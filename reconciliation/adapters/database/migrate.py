"""Bring our own tables up to date: Alembic, packaged, under a lock, so that many workers may start at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.errors import StorageError

#: The advisory lock of PostgreSQL that whoever migrates holds. Any number, but always this one.
_LOCK_NUMBER = 4_207_031_992


def upgrade(engine: Engine) -> list[str]:
    """Apply every missing migration in one transaction, and return their names; none are missing: an empty list.

    Raises:
        StorageError: the database cannot be reached, or is newer than this package.
    """
    with write_transaction(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
        config = _config()
        missing = _missing(MigrationContext.configure(connection).get_current_heads(), config)
        config.attributes["connection"] = connection
        if missing:
            command.upgrade(config, "head")
    return missing


def pending(engine: Engine) -> list[str]:
    """Return the names of the migrations that the database lacks, oldest first.

    Raises:
        StorageError: the database cannot be reached, or is newer than this package.
    """
    with read_transaction(engine) as connection:
        return _missing(MigrationContext.configure(connection).get_current_heads(), _config())


def _missing(applied: tuple[str, ...], config: Config) -> list[str]:
    chain = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    unknown = set(applied) - set(chain)
    if unknown:
        raise StorageError(
            f"the database is at migration {', '.join(sorted(unknown))}, which this version does not know: "
            "it was migrated by a newer version; install that one"
        )
    return chain if not applied else chain[chain.index(applied[0]) + 1 :]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
