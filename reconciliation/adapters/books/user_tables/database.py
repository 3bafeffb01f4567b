"""The users' own database: read and never written, which the database itself sees to, within a time limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from json import loads
from time import monotonic
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from reconciliation.errors import BadData, ConfigurationError, ReadError, Unavailable

CONNECT_TIMEOUT_SECONDS = 5
#: How many steps of SQLite's machine pass between two looks at the clock.
_SQLITE_STEPS = 10_000

#: JSON with its numbers digit for digit.
exact_json = partial(loads, parse_float=Decimal)


class UserDatabase:
    """A database of which we only know the URL.

    On SQLite the file is opened read-only. On PostgreSQL every transaction of the session is read-only, and one
    snapshot. Elsewhere the isolation is the highest of a plain read, and the login should be one that may only read.
    """

    def __init__(self, url: str, statement_timeout_seconds: float) -> None:
        self._timeout_seconds = statement_timeout_seconds
        parsed = _parse(url)
        self._kind = parsed.get_backend_name()
        try:
            self._engine = self._build(parsed)
        except (ModuleNotFoundError, NoSuchModuleError):
            raise ConfigurationError(f"the driver of {parsed.drivername}:// is not installed") from None
        #: Without user, password and query.
        self.address = URL.create(
            parsed.drivername, host=parsed.host, port=parsed.port, database=parsed.database
        ).render_as_string()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a transaction that sees one moment, and is rolled back at the end.

        Raises:
            Unavailable: the database cannot be reached, or a statement took too long.
            BadData: a statement is wrong, or tried to write.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
                connection.rollback()
        except DBAPIError as error:
            raise self._explain(error) from error

    def close(self) -> None:
        self._engine.dispose()

    def _build(self, url: URL) -> Engine:
        # NullPool: a sweep needs one connection now and then, and none is carried across a fork.
        options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
        if self._kind == "sqlite":
            engine = create_engine(_read_only_file(url), connect_args={"timeout": self._timeout_seconds}, **options)
            event.listen(engine, "connect", self._set_up_sqlite)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN DEFERRED"))
            return engine
        if self._kind == "postgresql":
            timeout_ms = round(self._timeout_seconds * 1000)
            # In each transaction, and not in the packet that opens the connection: PgBouncer refuses it there, and in
            # its transaction mode the next transaction may be in another session.
            limits = f"SET LOCAL statement_timeout = {timeout_ms}; SET LOCAL lock_timeout = {timeout_ms}"
            engine = create_engine(
                url,
                execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
                connect_args={
                    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                    "application_name": "reconciliation",
                    "prepare_threshold": None,
                },
                **options,
            )
            event.listen(engine, "connect", _set_up_psycopg)
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(limits))
            return engine
        return create_engine(url, **options)

    def _set_up_sqlite(self, dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        deadline = monotonic() + self._timeout_seconds
        # Holds for all of one snapshot, because the connection lives no longer.
        dbapi_connection.set_progress_handler(lambda: monotonic() > deadline, _SQLITE_STEPS)

    def _explain(self, error: DBAPIError) -> ReadError:
        why = str(error.orig).strip().partition("\n")[0]
        state = getattr(error.orig, "sqlstate", None)
        place = f"the local book at {self.address}"
        if state == "57014" or why == "interrupted":
            return Unavailable(f"{place}: a query took longer than {self._timeout_seconds:g} s and was stopped")
        if state == "25006" or "readonly database" in why:
            return BadData(f"{place}: a query tried to write, which the database refused: {why}")
        if error.connection_invalidated or (isinstance(error, OperationalError) and _is_passing(state, why)):
            return Unavailable(f"{place} cannot be read: {why}")
        return BadData(f"{place}: a query is wrong: {why}")


def _is_passing(state: str | None, why: str) -> bool:
    """Say whether a later try may help: the connection, the server's resources, or a lock was the matter."""
    if state is not None:
        return state[:2] in ("08", "40", "53", "55", "57")
    # SQLite has one class of error for everything, and psycopg no state before it is connected.
    return not why.startswith(("no such", "near ", "ambiguous", "incomplete input", "unrecognized", "wrong number"))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # `from None`: the parser's message may repeat the URL, and with it the password.
        raise ConfigurationError("RECONCILIATION_LOCAL_URL cannot be parsed as an SQLAlchemy URL") from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _read_only_file(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("RECONCILIATION_LOCAL_URL: an SQLite database in memory has no tables: name a file")
    if url.database.startswith("file:"):
        return url.update_query_dict({"mode": "ro", "uri": "true"})
    # A URI: what a file's name may hold and a URI may not is escaped.
    return url.set(database=f"file:{quote(url.database)}", query={**url.query, "mode": "ro", "uri": "true"})


def _set_up_psycopg(dbapi_connection: Any, _record: Any) -> None:
    from psycopg.types.json import set_json_loads  # noqa: PLC0415 - only where PostgreSQL is used

    set_json_loads(exact_json, dbapi_connection)
