"""Processes whose life is bound to this one's: none outlives us, not even when we are killed with -9."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from reconciliation.support import bound_exec, pipe_watch

#: The kernel kills the child for us on Linux; elsewhere a watcher process does.
KERNEL_BINDS = sys.platform == "linux"
PARENT_POLL_SECONDS = 0.5


def start_bound(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
    by_kernel: bool = KERNEL_BINDS,
) -> "subprocess.Popen[bytes]":
    """Start a program that dies with this process. `output` takes both of its streams; None: it writes to our own.

    The child gets a session of its own, so that Ctrl-C in a terminal reaches only us and we decide the order.
    """
    program = [str(part) for part in argv]
    started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()

    def keep() -> None:
        # The kernel's promise is about the thread that started the child, so that thread waits for the child.
        command = [sys.executable, "-I", "-S", bound_exec.__file__, str(os.getpid()), *program]
        try:
            child = subprocess.Popen(  # noqa: S603 - the caller's own program, no shell
                command if by_kernel else program,
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            started.put(error)
            return
        started.put(child)
        child.wait()

    threading.Thread(target=keep, name=f"keeper of {Path(program[0]).name}", daemon=True).start()
    child = started.get()
    if isinstance(child, OSError):
        raise child
    if not by_kernel:
        PipeGuard(child.pid).release_after(child)
    return child


class PipeGuard:
    """A watcher that kills `pid` when this process ends, however it ends. For a process that we could not start."""

    def __init__(self, pid: int, signal_number: int = signal.SIGKILL) -> None:
        read_end, self._write_end = os.pipe()
        argv = [sys.executable, "-I", "-S", pipe_watch.__file__, str(read_end), str(pid), str(int(signal_number))]
        try:
            self._watcher = subprocess.Popen(  # noqa: S603 - our own script
                argv, pass_fds=[read_end], stdin=subprocess.DEVNULL, start_new_session=True
            )
        finally:
            os.close(read_end)

    def release(self) -> None:
        """Stop watching: the process may go on, or has ended."""
        self._watcher.kill()
        self._watcher.wait()
        os.close(self._write_end)

    def release_after(self, child: "subprocess.Popen[bytes]") -> None:
        """Release once `child` has ended, without anybody waiting for it."""

        def wait() -> None:
            child.wait()
            self.release()

        threading.Thread(target=wait, name=f"guard of {child.pid}", daemon=True).start()


def die_with_parent() -> None:
    """Let this process, a forked child, end when its parent does, however that ends."""
    if KERNEL_BINDS:
        ctypes.CDLL(None).prctl(bound_exec.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    parent_pid = os.getppid()

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(PARENT_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def stop_process(child: "subprocess.Popen[bytes]", grace_seconds: float) -> int:
    """Ask with SIGTERM, and kill after `grace_seconds`. Returns the exit status."""
    if child.poll() is None:
        child.terminate()
    try:
        return child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
