"""What beat and the schedule's tick call to say that they are alive. Light: beat imports it."""

import logging
import os
import socket

from reconciliation.adapters.redis.heartbeats import BEAT, TICK, Heartbeats
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.errors import CoordinationError
from reconciliation.settings import Settings

__all__ = ["BEAT", "TICK", "BeatHeartbeat"]

logger = logging.getLogger(__name__)


class BeatHeartbeat:
    """Touches a file and notes a sign of life in Redis, at each tick of one beat."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.beat_heartbeat_file
        self._heartbeats = Heartbeats(RedisSpace.of(settings))
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def record(self) -> None:
        """Say that this beat ticks. A Redis that is away is no reason to end: the next tick tries again."""
        if self._file is not None:
            self._file.touch()
        try:
            self._heartbeats.record(BEAT, self._name)
        except CoordinationError as error:
            logger.debug("no sign of life was noted: %s", error)
