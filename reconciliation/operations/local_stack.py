"""Everything on one machine: an embedded Redis, a migrated SQLite database, a worker and a beat. For `reconcile up`.

What the settings name wins: with a Redis URL or a database URL of one's own, only the rest is started.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.errors import CoordinationError
from reconciliation.settings import Settings
from reconciliation.support.lifetime import start_bound, stop_process
from reconciliation.support.worker_files import celery_command

#: A worker ends the runs that it has begun; then it is killed, and its messages are delivered again.
STOP_GRACE_SECONDS = 20.0
PING_SECONDS = 0.5
LOG_TAIL_CHARACTERS = 1000


@dataclass(frozen=True, kw_only=True)
class ChildProcess:
    """A process of the stack, with the file that holds its log."""

    name: str
    process: "subprocess.Popen[bytes]"
    log_path: Path

    def log_tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]


class LocalStack:
    """Starts the parts in order, and stops them in the other order; none outlives this process.

    Args:
        settings: what is used, apart from the URLs that the stack itself provides.
        state_dir: the one directory that holds data and logs.
        port: of the embedded Redis; None takes a free one.
        concurrency: how many runs the worker makes at once.
    """

    def __init__(self, settings: Settings, *, state_dir: Path, port: int | None = None, concurrency: int = 2) -> None:
        self._given = settings
        self._state_dir = state_dir.absolute()
        self._port = port
        self._concurrency = concurrency
        self._stopping = ExitStack()
        self.settings = settings
        self.children: list[ChildProcess] = []
        #: The settings' variables that this stack provides; they hold no secret.
        self.provided: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start what the settings do not name: Redis, database, then worker and beat. They may not be ready yet.

        Raises:
            ConfigurationError: the directory or the port is taken.
            CoordinationError, StorageError: a part does not start.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        urls: dict[str, str] = {}
        if "redis_url" not in self._given.model_fields_set:
            server = self._stopping.enter_context(RedisServer(data_dir=self._state_dir / "redis", port=self._port))
            urls["redis_url"] = server.url
        if "database_url" not in self._given.model_fields_set:
            urls["database_url"] = f"sqlite:///{self._state_dir / 'reconciliation.db'}"
        self.settings = self._given.model_copy(update={name: SecretStr(url) for name, url in urls.items()})
        self.provided = {f"RECONCILIATION_{name.upper()}": url for name, url in urls.items()}
        self._migrate()
        self._start_child("worker", "--concurrency", str(self._concurrency))
        self._start_child("beat", "--pidfile=")

    def wait_ready(self, timeout_seconds: float, cancelled: threading.Event | None = None) -> None:
        """Return when the worker answers, or when `cancelled` is set.

        Raises:
            CoordinationError: it ended, or does not answer in time.
        """
        sender = TaskSender(self.settings)
        deadline = time.monotonic() + timeout_seconds
        try:
            while not (cancelled and cancelled.is_set()) and not sender.count_workers(PING_SECONDS):
                self.require_alive()
                if time.monotonic() > deadline:
                    raise CoordinationError(f"the worker does not answer within {timeout_seconds:g} s")
        finally:
            sender.close()

    def require_alive(self) -> None:
        """Raise CoordinationError, with the end of its log, for a process that has ended."""
        for child in self.children:
            status = child.process.poll()
            if status is not None:
                raise CoordinationError(
                    f"the {child.name} ended with status {status}; its log {child.log_path} ends with:\n"
                    f"{child.log_tail()}"
                )

    def stop(self) -> None:
        """Stop beat, worker and Redis, in this order. A process that does not stop in time is killed."""
        self._stopping.close()
        self.children.clear()

    def _urls(self) -> Mapping[str, str]:
        return {
            "RECONCILIATION_REDIS_URL": self.settings.redis_url.get_secret_value(),
            "RECONCILIATION_DATABASE_URL": self.settings.database_url.get_secret_value(),
        }

    def _migrate(self) -> None:
        engine = build_engine(self.settings.database_url.get_secret_value())
        try:
            upgrade(engine)
        finally:
            engine.dispose()

    def _start_child(self, name: str, *arguments: str) -> None:
        log_path = self._state_dir / f"{name}.log"
        with log_path.open("wb") as log:
            argv = celery_command([name, *arguments])
            process = start_bound(argv, env={**os.environ, **self._urls()}, output=log)
        self._stopping.callback(stop_process, process, STOP_GRACE_SECONDS)
        self.children.append(ChildProcess(name=name, process=process, log_path=log_path))
