"""Bring our own tables up to date: Alembic, packaged, under a lock, so that many workers may start at once."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from reconciliation.adapters.database.engine import lacks_file, read_transaction, write_transaction
from reconciliation.errors import StorageError
from reconciliation.support.wording import counted

#: The advisory lock of PostgreSQL that a migration holds. Any number, but always this one.
_LOCK_NUMBER = 4_207_031_992
#: How long a migration waits for a table, and others behind it. PostgreSQL then says `lock_not_available`.
LOCK_TIMEOUT_MS = 2_000
_LOCK_NOT_AVAILABLE = "55P03"
LOCK_PAUSE_SECONDS = 3.0
#: Some five minutes in all.
LOCK_TRIES = 60

logger = logging.getLogger(__name__)


def upgrade(engine: Engine, on_wait: Callable[[str], object] = logger.warning) -> list[str]:
    """Apply every missing migration in one transaction, and return their names; none are missing: an empty list.

    A table that others read or write is waited for in short pieces: later sessions would queue up behind a
    migration that waits, and the whole fleet would stand still for one long report.

    Args:
        engine: of the database.
        on_wait: gets a sentence before each pause between two tries.

    Raises:
        StorageError: the database cannot be reached, is newer than this package, or others did not let go of a table.
    """
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            return _upgrade(engine)
        except StorageError as error:
            if not _is_lock_timeout(error):
                raise
            if not tries_left:
                raise StorageError(
                    f"no migration was applied: other sessions held a table in each of {LOCK_TRIES} tries; "
                    "end long reports and dumps, and run `reconcile migrate` again"
                ) from error
        on_wait(
            f"the migration waits: another session holds a table; the next try is in {LOCK_PAUSE_SECONDS:g} s, "
            f"{counted(tries_left, 'try', 'tries')} left"
        )
        time.sleep(LOCK_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


def _upgrade(engine: Engine) -> list[str]:
    with write_transaction(engine, may_create=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            # Another migration is waited for without a limit: that lock blocks no other session.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
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
    if lacks_file(engine):
        return _missing((), _config())
    with read_transaction(engine) as connection:
        return _missing(MigrationContext.configure(connection).get_current_heads(), _config())


def _is_lock_timeout(error: StorageError) -> bool:
    original = getattr(error.__cause__, "orig", None)
    return getattr(original, "sqlstate", None) == _LOCK_NOT_AVAILABLE


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
