"""What one worker process has: every part built once, after the fork, and one event loop in a thread.

It serves the prefork pool (a child has one) and the threads pool (the tasks of all threads share one).
"""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Coroutine
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_shutdown

from reconciliation.settings import Settings, load_settings
from reconciliation.support.lifetime import die_with_parent

if TYPE_CHECKING:
    from reconciliation.bootstrap import Bootstrap

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_SECONDS = 5.0
#: New objects between two looks for circles among them: a few megabytes.
_OBJECTS_PER_COLLECTION = 50_000

Answer = TypeVar("Answer")


class Runtime:
    """The parts and the event loop of one process."""

    def __init__(self, settings: Settings) -> None:
        self.parts: Bootstrap = _bootstrap().open_parts(settings)
        self.pid = os.getpid()
        self._limit_seconds = float(settings.task_time_limit_seconds)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine in the process's event loop and return its answer; it is cancelled at the time limit."""
        return self._run(coroutine, self._limit_seconds)

    def close(self) -> None:
        """Close the parts and the loop. What hangs is left behind: the process is about to end."""
        try:
            self._run(self.parts.aclose(), CLOSE_TIMEOUT_SECONDS)
        except Exception:
            logger.exception("a part could not be closed")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_TIMEOUT_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()
        self.parts.close()

    def _run(self, coroutine: Coroutine[Any, Any, Answer], limit_seconds: float) -> Answer:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(limit_seconds)
        except BaseException:  # the soft time limit arrives here too, as an exception raised by a signal
            future.cancel()
            raise


_lock = threading.Lock()
_runtime: Runtime | None = None


def runtime() -> Runtime:
    """Return this process's runtime, built at its first use. One of before a fork is never used after it."""
    global _runtime  # noqa: PLW0603 - one for each process is the meaning of this module
    with _lock:
        if _runtime is None or _runtime.pid != os.getpid():
            _runtime = Runtime(load_settings())
        return _runtime


def close_runtime(**_: Any) -> None:
    """Close this process's runtime, if there is one."""
    global _runtime
    with _lock:
        closing, _runtime = _runtime, None
    if closing is not None and closing.pid == os.getpid():
        closing.close()


def _bootstrap() -> ModuleType:
    # Imported at need: beat loads the tasks too, and would carry SQLAlchemy and every store for nothing.
    return import_module("reconciliation.bootstrap")


def load_parts(**_: Any) -> None:
    """Load in a worker's parent what its children use, so that they share it."""
    _bootstrap()


def enter_child(**_: Any) -> None:
    """Prepare a child of the prefork pool: without its parent it would continue, with a message that was returned."""
    die_with_parent()
    # What was imported stays: looking at it at each collection costs a sweep 7 %. And a sweep makes and drops rows by
    # the ten thousand, hardly one of them in a circle: to look for circles at each 700th costs as much again.
    gc.freeze()
    gc.set_threshold(_OBJECTS_PER_COLLECTION)


def follow_worker_signals() -> None:
    """Prepare children after their fork; close the runtime at the end of a child, and of a worker with threads."""
    worker_init.connect(load_parts)
    worker_process_init.connect(enter_child)
    worker_process_shutdown.connect(close_runtime)
    worker_shutdown.connect(close_runtime)
