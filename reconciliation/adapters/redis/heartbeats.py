"""Signs of life of beats and of the schedule, kept in Redis for health checks. Light: beat imports it."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import RedisSpace

#: A beat that sends ticks.
BEAT = "beat"
#: A worker that has completed a tick of the schedule.
TICK = "tick"
#: Older signs are of processes that are gone: they say nothing any more.
REMEMBERED_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """The last sign of life of one process."""

    kind: str
    name: str
    #: By Redis' clock.
    age_seconds: float
    #: How far the clock of its host was ahead of Redis' then.
    skew_seconds: float


class Heartbeats:
    """Records signs of life, and reads them."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        self._script = space.script(packaged("heartbeats"))

    def record(self, kind: str, name: str) -> None:
        """Say that `name` is alive now.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        self._script.call(kind, name, round(time.time() * 1000))

    def read(self) -> Sequence[Heartbeat]:
        """Return the last sign of each process, the youngest first.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        with self._space.explained():
            now_ms = self.now_ms()
            signs: Any = self._space.client.hgetall(f"{self._space.prefix}heartbeats")
        found = [self._heartbeat(field, json.loads(sign), now_ms) for field, sign in signs.items()]
        return sorted(
            (each for each in found if each.age_seconds < REMEMBERED_SECONDS), key=lambda one: one.age_seconds
        )

    def now_ms(self) -> int:
        """Return Redis' time.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        with self._space.explained():
            server_time: Any = self._space.client.time()
        return int(server_time[0]) * 1000 + int(server_time[1]) // 1000

    def _heartbeat(self, field: str, sign: dict[str, float], now_ms: int) -> Heartbeat:
        kind, _, name = field.partition(" ")
        return Heartbeat(
            kind=kind,
            name=name,
            age_seconds=max(0.0, (now_ms - sign["at"]) / 1000),
            skew_seconds=sign["skew_ms"] / 1000,
        )
