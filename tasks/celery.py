"""The app. Nothing is connected or read at import; `celeryconfig.py` is read when Celery is first used."""

import logging
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from reconciliation.settings import load_settings
from reconciliation.support.logs import configure_logging
from reconciliation.support.worker_files import CONFIG_SOURCE
from tasks import runtime, shutdown
from tasks.redis_check import RefuseUnsafeRedis

app = Celery("reconciliation", task_cls="tasks.base:ReconciliationTask")
app.config_from_object(CONFIG_SOURCE)
app.steps["consumer"].add(RefuseUnsafeRedis)
runtime.follow_worker_signals()
shutdown.follow_worker_signals()


def configure(loglevel: int | None = None, **_: Any) -> None:
    """Log in our own format, at RECONCILIATION_LOG_LEVEL unless `--loglevel` says otherwise."""
    # WARNING is what Celery passes when nothing was said.
    if loglevel is None or loglevel == logging.WARNING:
        configure_logging(load_settings().log_level)
    else:
        configure_logging(logging.getLevelName(loglevel))


setup_logging.connect(configure)
