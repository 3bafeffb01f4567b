"""The way to our own database: engines with limits, transactions that read or write, errors as sentences."""

import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool

from reconciliation.errors import ConfigurationError, StorageError

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 30
LOCK_TIMEOUT_SECONDS = 10
#: A worker that hangs inside a transaction loses it, and its locks, after this.
IDLE_TRANSACTION_TIMEOUT_SECONDS = 60
POOL_TIMEOUT_SECONDS = 10
#: Between two tries to set WAL on a new file that other processes open, too.
_WAL_RETRY_SECONDS = (0.002, 0.02)
#: A connection older than this is replaced, so that a failed-over address is left.
POOL_RECYCLE_SECONDS = 1800

#: The settings of a PostgreSQL session; times are in ms.
_SESSION = {
    "statement_timeout": STATEMENT_TIMEOUT_SECONDS * 1000,
    "lock_timeout": LOCK_TIMEOUT_SECONDS * 1000,
    "idle_in_transaction_session_timeout": IDLE_TRANSACTION_TIMEOUT_SECONDS * 1000,
    # A plan that is kept is of the day when it was made: one for an empty table reads a full one from end to end.
    "plan_cache_mode": "force_custom_plan",
}

#: How JSON is written into the database. A run's context is the caller's, and may hold a UUID or a time, as text then.
to_json = json.JSONEncoder(default=str).encode

#: PostgreSQL refuses for a reason that is not our SQL: no rights, a read-only server, a full disk.
_REFUSALS = ("42501", "25006", "53100")

#: Execution option of a transaction that only reads: SQLite then takes no write lock.
_READS = "reconciliation_reads"


def build_engine(url: str, *, pool_size: int = 5, transaction_pooling: bool = False) -> Engine:
    """Return an engine for our own tables: SQLite in a file, or PostgreSQL by psycopg. It connects on first use.

    Args:
        url: where the tables are.
        pool_size: connections that are kept open; as many again at need.
        transaction_pooling: a pooler stands in front that gives out a server's session for one transaction only.

    Raises:
        ConfigurationError: the URL is none that our tables can live at.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return _postgresql_engine(parsed, pool_size, transaction_pooling)


@contextmanager
def read_transaction(engine: Engine) -> Iterator[Connection]:
    """Give a read-only transaction that sees one moment of the database, whatever others commit meanwhile.

    Raises:
        StorageError: the database cannot be reached, or lacks its tables.
    """
    options: dict[str, Any] = {_READS: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    require_file(engine)
    with _explained(engine), engine.connect() as connection:
        reader = connection.execution_options(**options)
        with reader.begin():
            yield reader


@contextmanager
def write_transaction(engine: Engine, *, may_create: bool = False) -> Iterator[Connection]:
    """Give a transaction that commits at the end, and rolls back on an error.

    On SQLite it takes the write lock at once, so that it never fails half-way because another writer was faster.

    Args:
        engine: of the database.
        may_create: whether a file of SQLite is made where there is none.

    Raises:
        StorageError: the database cannot be reached, or lacks its tables.
    """
    if not may_create:
        require_file(engine)
    with _explained(engine), engine.begin() as connection:
        yield connection


def require_file(engine: Engine) -> None:
    """Refuse to make an SQLite file in passing: in a wrong directory, an empty one would say that all is well.

    Raises:
        StorageError: there is no file.
    """
    if lacks_file(engine):
        raise StorageError(
            f"there is no database {_address(engine.url)} (working directory {Path.cwd()}): go to the right directory, "
            "set RECONCILIATION_DATABASE_URL, or run `reconcile migrate` to make a new one"
        )


def lacks_file(engine: Engine) -> bool:
    """Say whether the database is an SQLite file that does not exist."""
    path = engine.url.database or ""
    return engine.dialect.name == "sqlite" and not path.startswith("file:") and not Path(path).exists()


def explain(error: Exception, engine: Engine) -> StorageError | None:
    """Return the sentence for an error of the driver; None for a fault in our code (a constraint, bad SQL)."""
    address = _address(engine.url)
    cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    if _lacks_table(error):
        return StorageError(f"the database {address} lacks a table ({cause}): run `reconcile migrate`")
    if isinstance(error, PoolTimeoutError):
        return StorageError(f"the database {address} gave no connection within {POOL_TIMEOUT_SECONDS} seconds")
    if getattr(getattr(error, "orig", None), "sqlstate", None) in _REFUSALS:
        return StorageError(f"the database {address} refuses: {cause}")
    if isinstance(error, OperationalError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return StorageError(f"the database {address} cannot be used: {cause}; check RECONCILIATION_DATABASE_URL")
    return None


def _address(url: URL) -> str:
    """Return `url` without user, password and query."""
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        explained = explain(error, engine)
        if explained is None:
            raise
        raise explained from error


def _lacks_table(error: Exception) -> bool:
    original = getattr(error, "orig", None)
    if isinstance(error, ProgrammingError):
        return getattr(original, "sqlstate", None) in ("42P01", "42703")  # undefined table, undefined column
    return isinstance(error, OperationalError) and str(original).startswith(("no such table", "no such column"))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # `from None`: the parser's message may repeat the URL, and with it the password.
        raise ConfigurationError(
            "the database URL cannot be parsed: write sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or ":memory:" in parsed.database or "mode=memory" in parsed.database:
            raise ConfigurationError(
                "an SQLite database in memory is lost with its connection: name a file, as in sqlite:///FILE"
            )
        return parsed
    if parsed.drivername == "postgresql+psycopg":
        return parsed
    raise ConfigurationError(
        f"our own tables cannot live at {parsed.drivername}://: use sqlite:/// or postgresql+psycopg://"
    )


def _sqlite_engine(url: URL) -> Engine:
    # NullPool: opening a file is cheap, and no connection is carried across threads or a fork.
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        json_serializer=to_json,
        connect_args={"timeout": LOCK_TIMEOUT_SECONDS},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(dbapi_connection: Any, _record: Any) -> None:
    # The driver's BEGIN comes only before a write; this one comes at the start of every transaction.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    try:
        _change_to_wal(cursor)  # readers see one moment, and don't wait for the writer
        cursor.execute("PRAGMA synchronous = NORMAL")  # safe in WAL against a crash of the process
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _change_to_wal(cursor: Any) -> None:
    """Set WAL, and wait for the lock as a statement would: for this change SQLite itself does not wait."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The low byte of an extended code is its family.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(*_WAL_RETRY_SECONDS))  # noqa: S311 - jitter
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_READS, False):
        connection.exec_driver_sql("PRAGMA query_only = ON")  # the connection is not used again
        connection.exec_driver_sql("BEGIN DEFERRED")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql_engine(url: URL, pool_size: int, transaction_pooling: bool) -> Engine:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "reconciliation",
        # A database that was made in the C locale would otherwise answer in bytes.
        "client_encoding": "utf8",
        # A cable that is cut in the middle of a statement is noticed by the kernel, not by the server's limits.
        "tcp_user_timeout": (STATEMENT_TIMEOUT_SECONDS + CONNECT_TIMEOUT_SECONDS) * 1000,
    }
    if transaction_pooling:
        # A statement that is prepared in one server's session is not known in the next one's.
        arguments["prepare_threshold"] = None
    try:
        engine = create_engine(
            url,
            pool_size=pool_size,
            pool_pre_ping=True,
            pool_recycle=POOL_RECYCLE_SECONDS,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,
            json_serializer=to_json,
            # What the URL's own query says wins.
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise ConfigurationError(
            "the PostgreSQL driver is not installed: pip install 'reconciliation-workers[postgres]'"
        ) from None
    # By a statement, and not in the packet that opens the connection: PgBouncer refuses it there, or drops it unseen.
    wanted = {name: value for name, value in _SESSION.items() if not _is_said(url, name)}
    if transaction_pooling:
        limits = "; ".join(f"SET LOCAL {name} = {value}" for name, value in wanted.items())
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(limits))
    else:
        limits = "; ".join(f"SET {name} = {value}" for name, value in wanted.items())
        event.listen(engine, "connect", partial(_set_up_postgresql, limits))
    return engine


def _is_said(url: URL, name: str) -> bool:
    """Say whether the URL's own `options` set this."""
    given = url.query.get("options", "")
    options = given if isinstance(given, str) else " ".join(given)
    # Not by the name alone: `deadlock_timeout=` ends like `lock_timeout=`.
    return re.search(rf"(-c\s*|--){name.replace('_', '[-_]')}\s*=", options) is not None


def _set_up_postgresql(wanted: str, dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.autocommit = True
    with dbapi_connection.cursor() as cursor:
        cursor.execute(wanted)
    dbapi_connection.autocommit = False
