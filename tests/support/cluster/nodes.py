"""pytest-celery's clusters on our own processes: the same tests run here without Docker, and there with it."""

import signal
from collections.abc import Mapping

from celery import Celery
from pytest_celery import CeleryTestBackend, CeleryTestBroker, CeleryTestSetup, CeleryTestWorker

from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.settings import Settings
from tests.support.processes import WorkerProcess


class OurSetup(CeleryTestSetup):
    """Its app is a foreign one: plain Celery that knows only the queue, the key prefix and the task's name."""

    @classmethod
    def update_app_config(cls, app: Celery) -> None:
        prefix = {"global_keyprefix": Settings().celery_key_prefix}
        app.conf.update(broker_transport_options=prefix, result_backend_transport_options=prefix)

    def teardown(self) -> None:
        self.app.close()


class RedisNode:
    """What broker and backend share: one embedded server. It keeps its data and its port over a restart."""

    container: RedisServer

    def ready(self) -> bool:
        return self.container.pid > 0

    def config(self, *args: object, **kwargs: object) -> dict[str, str]:
        return {"url": self.container.url, "host_url": self.container.url}

    def name(self) -> str:
        return "embedded redis"

    def hostname(self) -> str:
        return "127.0.0.1"

    def kill(self, signal: str | int = "SIGKILL", reload_container: bool = True) -> None:
        self.container.kill()

    def restart(self, reload_container: bool = True, force: bool = False) -> None:
        if force:
            self.container.kill()
        self.container.stop()
        self.container.start()

    def teardown(self) -> None:
        self.container.stop()


class ProcessBroker(RedisNode, CeleryTestBroker):
    """The broker on an embedded server."""


class ProcessBackend(RedisNode, CeleryTestBackend):
    """The result backend on the same server."""


class ProcessWorker(CeleryTestWorker):
    """A worker process of ours."""

    container: WorkerProcess

    def ready(self) -> bool:
        return self.container.wait_ready() is self.container

    def logs(self) -> str:
        return self.container.log()

    def name(self) -> str:
        return self.container.name

    def hostname(self) -> str:
        return f"{self.container.name}@localhost"

    def kill(self, signal: str | int = "SIGKILL", reload_container: bool = True) -> None:
        number = signal if isinstance(signal, int) else signal_number(signal)
        self.container.child.send_signal(number)
        self.container.child.wait(30)

    def restart(self, reload_container: bool = True, force: bool = False) -> None:
        if self.container.is_running():
            self.kill("SIGKILL" if force else "SIGTERM")
        self.container.start_again()

    def teardown(self) -> None:
        if self.container.is_running():
            self.container.kill()


def signal_number(name: str) -> int:
    numbers: Mapping[str, int] = {known.name: known.value for known in signal.Signals}
    return numbers[name]
