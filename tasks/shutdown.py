"""Passes a worker's stop signal to its children, so that a long sweep releases what it did not start.

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

    # On SIGQUIT, Celery 5.7 signals the shutdown only after it has waited for its tasks.
    sender.wait_for_soft_shutdown = tell_and_wait


def ask(**_: Any) -> None:
    """Signal every child, for each way to stop a worker: SIGTERM, SIGQUIT or remote control."""
    if _shared is not None:
        _shared[0] = 1


def is_asked_for() -> bool:
    """Return whether this worker got a stop signal."""
    return _shared is not None and _shared[0] == 1


def follow_worker_signals() -> None:
    """Listen to the worker of this process."""
    worker_init.connect(prepare)
    worker_shutting_down.connect(ask)
