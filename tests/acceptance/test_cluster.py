"""pytest-celery's setup on our own processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_celery import CeleryBackendCluster, CeleryBrokerCluster, CeleryWorkerCluster

from reconciliation.adapters.embedded.redis_server import RedisServer
from tests.support.cluster.nodes import OurSetup, ProcessBackend, ProcessBroker, ProcessWorker
from tests.support.cluster.suite import (  # noqa: F401 - the same tests as in containers
    test_a_run_goes_through_and_killed_worker_and_restarted_broker_go_on,
)
from tests.support.processes import WorkerProcess


@pytest.fixture
def celery_setup_cls() -> type[OurSetup]:
    return OurSetup


@pytest.fixture
def celery_broker_cluster(own_redis: RedisServer) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(ProcessBroker(own_redis))


@pytest.fixture
def celery_backend_cluster(own_redis: RedisServer) -> CeleryBackendCluster:
    return CeleryBackendCluster(ProcessBackend(own_redis))


@pytest.fixture
def celery_worker_cluster(own_redis: RedisServer, sqlite_url: str, tmp_path: Path) -> Iterator[CeleryWorkerCluster]:
    worker = WorkerProcess({"redis_url": own_redis.url, "database_url": sqlite_url}, directory=tmp_path)
    cluster = CeleryWorkerCluster(ProcessWorker(worker.start(), app=None))
    try:
        assert cluster.ready()
        yield cluster
    finally:
        cluster[0].teardown()
        print(worker.log())  # noqa: T201
