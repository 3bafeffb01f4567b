"""pytest-celery's clusters on real containers, made with the Docker command."""

import json
import subprocess

from pytest_celery import CeleryTestBackend, CeleryTestBroker, CeleryTestWorker

from tests.support.waiting import wait_for

IMAGE = "reconciliation-workers:test"
START_TIMEOUT_SECONDS = 90


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return (done.stdout + done.stderr).strip()


class Container:
    """One container, by its name; removed at the end."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        docker("run", "--detach", "--name", name, *arguments)

    def logs(self) -> str:
        return docker("logs", self.name)

    def state(self) -> dict:
        return json.loads(docker("inspect", self.name))[0]

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name)


class ContainerNode:
    """What every node in a container shares."""

    container: Container
    ready_line = ""

    def ready(self) -> bool:
        def lines() -> int:
            return self.logs().count(self.ready_line)

        return bool(wait_for(lambda: lines() > self._lines_before, START_TIMEOUT_SECONDS, f"{self.name()} is ready"))

    _lines_before = 0

    def logs(self) -> str:
        return self.container.logs()

    def name(self) -> str:
        return self.container.name

    def hostname(self) -> str:
        return str(self.container.state()["Config"]["Hostname"])

    def kill(self, signal: str | int = "SIGKILL", reload_container: bool = True) -> None:
        docker("kill", "--signal", str(signal), self.name())

    def restart(self, reload_container: bool = True, force: bool = False) -> None:
        self._lines_before = self.logs().count(self.ready_line)
        docker("restart", self.name())
        self.ready()

    def teardown(self) -> None:
        self.container.remove()


class RedisContainerNode(ContainerNode):
    """Redis as docker-compose.yml runs it."""

    ready_line = "Ready to accept connections"

    def config(self, *args: object, **kwargs: object) -> dict[str, str]:
        # Asked each time: a restart may publish another port.
        [published] = self.container.state()["NetworkSettings"]["Ports"]["6379/tcp"]
        return {"url": f"redis://{self.name()}:6379/0", "host_url": f"redis://127.0.0.1:{published['HostPort']}/0"}


class ContainerBroker(RedisContainerNode, CeleryTestBroker):
    """The broker in a container."""


class ContainerBackend(RedisContainerNode, CeleryTestBackend):
    """The result backend in the same container."""


class ContainerWorker(ContainerNode, CeleryTestWorker):
    """A worker from the shipped image."""

    ready_line = " ready."
