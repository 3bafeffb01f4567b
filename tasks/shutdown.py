"""Tells the children of a worker that it was told to stop, so that a long sweep gives back what it did not begin.

One byte of memory that parent and children share: a signal to the children would end them in the middle of a read.
"""

import mmap
from typing import Any

from celery.signals import worker_init, worker_shutting_down

_shared: mmap.mmap | None = None


def prepare(sender: Any, **_: Any) -> None:
    """Make the shared byte, before any child is forked."""
    global _shared  # noqa: PLW0603 - one for each worker is the meaning of this module
    _shared = mmap.mmap(-1, 1)
    wait = sender.wait_for_soft_shutdown

    def tell_and_wait() -> None:
        ask()
        wait()

    # On SIGQUIT, Celery 5.7 tells of the shutdown only after it has waited for its tasks.
    sender.wait_for_soft_shutdown = tell_and_wait


def ask(**_: Any) -> None:
    """Tell every child, whichever way the worker was told: SIGTERM, SIGQUIT or remote control."""
    if _shared is not None:
        _shared[0] = 1


def is_asked_for() -> bool:
    """Say whether this worker was told to stop."""
    return _shared is not None and _shared[0] == 1


def follow_worker_signals() -> None:
    """Listen to the worker of this process."""
    worker_init.connect(prepare)
    worker_shutting_down.connect(ask)
