"""Time by Redis' clock: read now and then, and carried on by the monotonic clock of the process."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.model.runs import utc_now
from reconciliation.errors import CoordinationError


class RedisClock:
    """Implements `reconciliation.ports.clock.Clock`.

    Args:
        space: of the Redis that all workers share.
        elapsed: the monotonic clock, in seconds.
        local_time: the host's clock: used until Redis has answered once.
    """

    def __init__(
        self,
        space: RedisSpace,
        *,
        elapsed: Callable[[], float] = monotonic,
        local_time: Callable[[], datetime] = utc_now,
    ) -> None:
        self._space = space
        self._elapsed = elapsed
        self._local_time = local_time
        #: Redis' time at a moment of the monotonic clock.
        self._read: tuple[datetime, float] | None = None

    def refresh(self) -> None:
        """Read Redis' clock. If Redis is away, the time since the last reading is added to it."""
        with suppress(CoordinationError), self._space.explained():
            seconds, microseconds = self._server_time()
            self._read = (datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds), self._elapsed())

    def now(self) -> datetime:
        if self._read is None:
            return self._local_time()
        time, moment = self._read
        return time + timedelta(seconds=self._elapsed() - moment)

    def _server_time(self) -> tuple[int, int]:
        answer: Any = self._space.client.time()
        return int(answer[0]), int(answer[1])
