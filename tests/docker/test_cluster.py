"""pytest-celery's setup in containers: the shipped image against Redis, on a network of its own."""

import os
import socket
from collections.abc import Iterator

import pytest
from pytest_celery import CeleryBackendCluster, CeleryBrokerCluster, CeleryWorkerCluster

from tests.docker.container_nodes import (
    IMAGE,
    Container,
    ContainerBackend,
    ContainerBroker,
    ContainerWorker,
    docker,
)
from tests.support.cluster.nodes import OurSetup
from tests.support.cluster.suite import (  # noqa: F401 - the same tests as on processes
    test_a_run_goes_through_and_killed_worker_and_restarted_broker_go_on,
)
from tests.support.places import ROOT

pytestmark = pytest.mark.docker

NAME = f"reconciliation_cluster_{os.getpid()}"


@pytest.fixture(scope="module")
def image(docker_engine) -> str:
    docker("build", "--quiet", "--tag", IMAGE, str(ROOT))
    return IMAGE


@pytest.fixture(scope="module")
def network(docker_engine) -> Iterator[str]:
    docker("network", "create", NAME)
    yield NAME
    docker("network", "rm", NAME)


@pytest.fixture
def redis_container(network: str) -> Iterator[Container]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    # A fixed port: one that Docker chooses changes when the container is restarted.
    options = ["--network", network, "--publish", f"127.0.0.1:{port}:6379", "redis:7-bookworm"]
    command = ["redis-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    container = Container(f"{NAME}_redis", *options, *command)
    yield container
    container.remove()


@pytest.fixture
def celery_setup_cls() -> type[OurSetup]:
    return OurSetup


@pytest.fixture
def celery_broker_cluster(redis_container: Container) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(ContainerBroker(redis_container))


@pytest.fixture
def celery_backend_cluster(redis_container: Container) -> CeleryBackendCluster:
    return CeleryBackendCluster(ContainerBackend(redis_container))


@pytest.fixture
def celery_worker_cluster(
    image: str, network: str, celery_broker_cluster: CeleryBrokerCluster
) -> Iterator[CeleryWorkerCluster]:
    assert celery_broker_cluster.ready()
    url = celery_broker_cluster[0].config()["url"]
    options = ["--network", network, "--env", f"RECONCILIATION_REDIS_URL={url}", image]
    migrated = ["sh", "-c", "reconcile migrate && exec celery -A tasks worker --concurrency 1"]
    worker = ContainerWorker(Container(f"{NAME}_worker", *options, *migrated), app=None)
    try:
        assert worker.ready()
        yield CeleryWorkerCluster(worker)
    finally:
        print(worker.logs())  # noqa: T201
        worker.teardown()
