"""Databases for tests: one PostgreSQL server a session, and a fresh, migrated database for whoever asks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.migrate import upgrade
from tests.support.servers import run_postgres

_TEMPLATE = "migrated"
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's `postgres` database; the server ends with the session."""
    # Not in pytest's own folder, which other runs of pytest on this machine tidy up.
    folder = Path(tempfile.mkdtemp(prefix="reconciliation-postgres-"))
    with run_postgres(folder / "data") as url:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            _run_on_server(url, f"ALTER SYSTEM SET {setting} = off")  # tests don't need to survive a power cut
        _run_on_server(url, "SELECT pg_reload_conf()")
        yield url
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """A database of its own, without any table."""
    with _database(postgres_server, template="template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, on each of the two kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(scope="session")
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres_server(postgres_server: str) -> str:
    """The server's URL, once it has a migrated database to copy."""
    _run_on_server(postgres_server, f'CREATE DATABASE "{_TEMPLATE}"')
    _migrate(_with_database(postgres_server, _TEMPLATE))
    return postgres_server


@pytest.fixture
def sqlite_url(migrated_sqlite_file: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    path = tmp_path / "book.db"
    shutil.copy(migrated_sqlite_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(migrated_postgres_server: str) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    with _database(migrated_postgres_server, template=_TEMPLATE) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, on each of the two kinds."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@contextmanager
def _database(server_url: str, *, template: str) -> Iterator[str]:
    """Give a database that is dropped at the end, whoever is still connected."""
    name = f"test_{next(_numbers)}"
    _run_on_server(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield _with_database(server_url, name)
    _run_on_server(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _migrate(url: str) -> None:
    engine = build_engine(url)
    upgrade(engine)
    engine.dispose()


def _run_on_server(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
