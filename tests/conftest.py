"""Fixtures that every tier shares. Servers start on first use and end with pytest."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from tests.support.databases import (  # noqa: F401 - pytest finds fixtures by their names here
    database_url,
    empty_database_url,
    empty_postgres_url,
    migrated_postgres_server,
    migrated_sqlite_file,
    postgres_server,
    postgres_url,
    sqlite_url,
)
from tests.support.processes import Processes


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests; take `redis_url` instead, which empties it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis. Never kill it: `own_redis` is for that."""
    with connect(redis_server.url, 5) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url, 5) as client:
        yield client


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with an append-only file that the test may stop, kill and start again, on the same port."""
    with RedisServer(data_dir=tmp_path / "redis") as server:
        yield server


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts workers, beats and other programs that end with the test: `processes.worker({"redis_url": ...})`."""
    with Processes(tmp_path) as started:
        yield started
