"""Real worker and beat processes for tests: each dies with pytest, and shows its log when its test fails."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciliation.support.lifetime import start_bound
from tests.support.waiting import wait_for

START_TIMEOUT_SECONDS = 60
#: A child whose last result its parent never read (it was just stopping) waits for that for 30 s: billiard's pool does.
STOP_TIMEOUT_SECONDS = 60
_numbers = count(1)


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return an environment with only these settings: `{"redis_url": ...}` becomes RECONCILIATION_REDIS_URL."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RECONCILIATION_")}
    inherited["PYTHONUNBUFFERED"] = "1"  # beat's banner, which says that it is ready, goes through a file
    return inherited | {f"RECONCILIATION_{name.upper()}": _text(value) for name, value in settings.items()}


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


class ManagedProcess:
    """A program with a log file. `ready_line` is what its log holds once it can be used."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        settings: Mapping[str, object],
        directory: Path,
        name: str,
        ready_line: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._variables = variables or {}
        self._argv = argv
        self._settings = settings
        self._directory = directory
        self._log_path = directory / f"{name}.log"
        self._ready_line = ready_line
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and return at once."""
        with self._log_path.open("ab") as log:
            self._child = start_bound(
                self._argv, env=environment(self._settings) | self._variables, cwd=self._directory, output=log
            )
        return self

    def start_again(self) -> Self:
        """Start it after its end, with a fresh log, and wait until it is ready."""
        self._log_path.unlink()
        return self.start().wait_ready()

    def wait_ready(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> Self:
        def ready() -> bool:
            status = self.child.poll()
            assert status is None, f"{self.name} ended with {status} at its start:\n{self.log()}"
            return self._ready_line in self.log()

        wait_for(ready, timeout_seconds, f"{self.name} is ready")
        return self

    @property
    def child(self) -> "subprocess.Popen[bytes]":
        assert self._child is not None, f"{self.name} was not started"
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def wait_for_log(self, text: str, timeout_seconds: float = 30) -> None:
        wait_for(lambda: text in self.log(), timeout_seconds, f"{self.name} logs {text!r}")

    def terminate(self) -> int:
        """SIGTERM, as an orchestrator sends it, and wait for the end."""
        self.child.terminate()
        return self.child.wait(STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """SIGKILL to the main process only; its children must follow by themselves."""
        self.child.kill()
        self.child.wait(STOP_TIMEOUT_SECONDS)

    def pause(self) -> None:
        """SIGSTOP to it and its children: alive, but doing nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None


class WorkerProcess(ManagedProcess):
    """`celery -A tasks worker`. Its log is at level INFO."""

    def __init__(
        self,
        settings: Mapping[str, object],
        *,
        directory: Path,
        name: str = "",
        pool: str = "prefork",
        concurrency: int = 1,
        queues: Sequence[str] = (),
        arguments: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        name = name or f"worker{next(_numbers)}"
        argv = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-n", f"{name}@%h", "-P", pool]
        argv += ["-c", str(concurrency), *(["-Q", ",".join(queues)] if queues else []), *arguments]
        # A second less for each start; what they are for is not needed by one worker.
        argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        super().__init__(
            argv, settings=settings, directory=directory, name=name, ready_line=" ready.\n", variables=variables
        )


class BeatProcess(ManagedProcess):
    """`celery -A tasks beat`."""

    def __init__(
        self, settings: Mapping[str, object], *, directory: Path, name: str = "", arguments: Sequence[str] = ()
    ) -> None:
        name = name or f"beat{next(_numbers)}"
        argv = [sys.executable, "-m", "celery", "-A", "tasks", "beat", "--pidfile=", *arguments]
        super().__init__(argv, settings=settings, directory=directory, name=name, ready_line="maxinterval")


class Processes:
    """Starts processes for one test; at its end all are killed, and their logs printed for pytest to show."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[ManagedProcess] = []

    def worker(self, settings: Mapping[str, object], *, wait: bool = True, **options: object) -> WorkerProcess:
        """Start a worker; `wait=False` returns before it is ready. `options` as of `WorkerProcess`."""
        worker = WorkerProcess(settings, directory=self._directory, **options)  # type: ignore[arg-type]
        self.add(worker)
        return worker.wait_ready() if wait else worker

    def beat(self, settings: Mapping[str, object], *, wait: bool = True, **options: object) -> BeatProcess:
        beat = BeatProcess(settings, directory=self._directory, **options)  # type: ignore[arg-type]
        self.add(beat)
        return beat.wait_ready() if wait else beat

    def program(self, argv: Sequence[str | Path], settings: Mapping[str, object], *, ready_line: str) -> ManagedProcess:
        """Start any other program, such as `reconcile watch`, and wait until its log holds `ready_line`."""
        name = f"program{next(_numbers)}"
        process = ManagedProcess(argv, settings=settings, directory=self._directory, name=name, ready_line=ready_line)
        self.add(process)
        return process.wait_ready()

    def add(self, process: ManagedProcess) -> None:
        self._started.append(process)
        process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._started:
            if process.is_running():
                process.kill()
            print(f"--- log of {process.name} ---\n{process.log()}")  # noqa: T201
