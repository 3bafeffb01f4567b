"""Logging in one place: one format, the context of the task at hand, and no secret in any line."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from reconciliation.support.redaction import redact_secrets

#: Celery's line for each message sent, received and done: several a second for beat's ticks. Shown at debug only;
#: our tasks log one line of their own when they have done something.
TALKATIVE = ("celery.beat", "celery.worker.strategy", "celery.app.trace")

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed in place


@contextmanager
def log_context(**names: str) -> Iterator[None]:
    """Add `name=value` to every line that is logged inside the block, in this thread and what it awaits."""
    token = _context.set({**_context.get(), **names})
    try:
        yield
    finally:
        _context.reset(token)


class RedactingFormatter(logging.Formatter):
    """`2026-11-22T10:00:00.123Z INFO 4711 reconciliation.usecases.reconcile: message run_id=... account_id=...`."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        context = "".join(f" {name}={value}" for name, value in _context.get().items())
        return super().formatMessage(record) + context

    def format(self, record: logging.LogRecord) -> str:
        return redact_secrets(super().format(record))


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send every logger's lines to `stream` (stderr) in our format. Calling it again replaces the first call."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(RedactingFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET if level.upper() == "DEBUG" else logging.WARNING)
