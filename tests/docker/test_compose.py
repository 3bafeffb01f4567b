"""The shipped image and docker-compose.yml, for real: an enqueued run comes back, healthy and without root."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.places import ROOT
from tests.support.waiting import wait_for

pytestmark = pytest.mark.docker

POSITIONS = "account_id,symbol,asset_type,quantity,avg_cost\nDEMO-1,AAPL,stock,10,150\n"
BUILD_TIMEOUT_SECONDS = 600
START_TIMEOUT_SECONDS = 180
OURS = ("worker", "beat")


class Compose:
    """`docker compose` where it exists, else `docker-compose`, for a project of its own."""

    def __init__(self) -> None:
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
        if not plugin and shutil.which("docker-compose") is None:
            pytest.fail("neither `docker compose` nor docker-compose is installed")
        self._command = ["docker", "compose"] if plugin else ["docker-compose"]
        self._environment = os.environ | {
            "COMPOSE_PROJECT_NAME": f"reconciliation_test_{os.getpid()}",
            "REDIS_PORT": str(free_port()),
            "POSTGRES_PORT": str(free_port()),
            "WORKER_CONCURRENCY": "1",
            "RECONCILIATION_BROKER": "paper",
            "RECONCILIATION_BROKER_OPTIONS": '{"accounts": {"DEMO-1": {}}}',
        }

    def __call__(self, *arguments: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def inspect(self, service: str) -> dict:
        container = self("ps", "-q", service).stdout.strip()
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def compose(docker_engine) -> Iterator[Compose]:
    compose = Compose()
    try:
        compose("up", "--build", "--detach")
        yield compose
    finally:
        print(compose("logs", "--no-color", "--tail", "50", check=False).stdout)  # noqa: T201
        compose("down", "--volumes", "--timeout", "30", check=False)


def test_an_enqueued_run_comes_back_with_its_finding(compose: Compose):
    load = "cat > /tmp/positions.csv && reconcile import /tmp/positions.csv"
    compose("exec", "-T", "worker", "sh", "-c", load, given=POSITIONS)
    asked = compose("exec", "-T", "worker", "reconcile", "run", "DEMO-1", "--enqueue", "--json", check=False)
    assert asked.returncode == 1, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["result"]["outcome"] == "discrepancies"
    assert [found["type"] for found in answer["discrepancies"]] == ["missing_broker"]
    assert compose("exec", "-T", "worker", "reconcile", "check").returncode == 0


@pytest.mark.parametrize("service", OURS)
def test_our_containers_run_without_root_and_become_healthy(compose: Compose, service: str):
    assert compose("exec", "-T", service, "id", "-u").stdout.strip() == "10001"
    wait_for(lambda: compose.inspect(service)["State"]["Health"]["Status"] == "healthy", START_TIMEOUT_SECONDS)


def test_a_stopped_worker_ends_in_good_order(compose: Compose):
    compose("stop", "worker")
    assert compose.inspect("worker")["State"]["ExitCode"] == 0
