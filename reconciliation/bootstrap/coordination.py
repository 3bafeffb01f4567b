"""Redis: the queue, the windows, the limits that all workers share."""

from contextlib import AsyncExitStack, ExitStack
from functools import cached_property

from reconciliation.adapters.redis.channels import ChannelPublisher
from reconciliation.adapters.redis.circuit_breaker import RedisCircuitBreaker
from reconciliation.adapters.redis.clock import RedisClock
from reconciliation.adapters.redis.due_queue import DueQueue
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.adapters.redis.heartbeats import Heartbeats
from reconciliation.adapters.redis.rate_limiter import RedisRateLimiter
from reconciliation.adapters.redis.space import AsyncRedisSpace, RedisSpace
from reconciliation.adapters.redis.ticks import Ticks
from reconciliation.bootstrap.policies import fill_times
from reconciliation.ports.broker import BrokerLimits
from reconciliation.settings import Settings


class Coordination:
    """Builds each part on Redis at its first use, and closes the clients that were built."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing, self._async_closing = ExitStack(), AsyncExitStack()

    @cached_property
    def space(self) -> RedisSpace:
        space = RedisSpace.of(self._settings)
        self._closing.callback(space.client.close)
        return space

    @cached_property
    def async_space(self) -> AsyncRedisSpace:
        """For the process's event loop."""
        space = AsyncRedisSpace.of(self._settings)
        self._async_closing.push_async_callback(space.client.aclose)
        return space

    @cached_property
    def clock(self) -> RedisClock:
        return RedisClock(self.space)

    @cached_property
    def due_queue(self) -> DueQueue:
        return DueQueue(self.space)

    @cached_property
    def fill_windows(self) -> FillWindows:
        return FillWindows(self.space, times=fill_times(self._settings), sweep_size=self._settings.sweep_size)

    @cached_property
    def circuit_breaker(self) -> RedisCircuitBreaker:
        settings = self._settings
        return RedisCircuitBreaker(
            self.space,
            failures_before_pause=settings.connection_failures_before_pause,
            pause_ms=round(settings.connection_pause_seconds * 1000),
            max_pause_ms=round(settings.connection_max_pause_seconds * 1000),
            probe_ms=round(settings.read_timeout_seconds * 1000),
        )

    @cached_property
    def heartbeats(self) -> Heartbeats:
        return Heartbeats(self.space)

    @cached_property
    def ticks(self) -> Ticks:
        return Ticks(self.space)

    @cached_property
    def publisher(self) -> ChannelPublisher:
        return ChannelPublisher(self.space)

    @cached_property
    def event_stream(self) -> RedisEventStream:
        return RedisEventStream(self.space, max_events=self._settings.event_stream_max_events)

    def open_limiter(self, connection: str, limits: BrokerLimits) -> RedisRateLimiter:
        """Return the limiter of a connection; one for each event loop."""
        lease_ms = self._settings.task_time_limit_seconds * 1000
        return RedisRateLimiter(self.async_space, connection, limits, lease_ms=lease_ms)

    async def aclose(self) -> None:
        """Close what belongs to the event loop; call it there, before `close`."""
        await self._async_closing.aclose()

    def close(self) -> None:
        """Close what was built, the last one first."""
        self._closing.close()
