"""A worker's step at each connect: refuse a Redis that may forget messages."""

import logging
import os
from typing import Any

from celery.bootsteps import StartStopStep
from celery.exceptions import WorkerShutdown

from reconciliation.errors import ConfigurationError, CoordinationError
from reconciliation.operations.redis_check import redis_servers, require_safe_redis
from reconciliation.settings import load_settings

logger = logging.getLogger(__name__)


class RefuseUnsafeRedis(StartStopStep):  # type: ignore[misc]  # celery has no types
    """Runs after every (re)connect: a server may come back with other settings."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, consumer: Any) -> None:
        """End the worker, with a sentence and exit status 78, where Redis would throw keys away."""
        del consumer
        settings = load_settings()
        for url, address in redis_servers(settings).items():
            try:
                require_safe_redis(settings, url, address)
            except ConfigurationError as error:
                logger.critical("this worker does not start: %s", error)
                raise WorkerShutdown(os.EX_CONFIG) from error
            except CoordinationError as error:
                logger.warning("%s", error)
