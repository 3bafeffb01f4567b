"""The parts of the schedule, as `Bootstrap` has them: registry, connections, due-queue, dispatch and sweeps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from reconciliation.adapters.brokers.host.connections import LOOK_AGAIN_SECONDS, OpenConnections
from reconciliation.adapters.brokers.host.rate_limited import RateLimiter
from reconciliation.adapters.database.connections import ConnectionStore
from reconciliation.adapters.database.registry import Registry
from reconciliation.adapters.database.runs import SqlRecordedRuns
from reconciliation.adapters.redis.account_mirror import AccountMirror
from reconciliation.adapters.redis.circuit_breaker import RedisCircuitBreaker
from reconciliation.adapters.redis.due_queue import DueQueue
from reconciliation.adapters.redis.rate_limiter import RedisRateLimiter
from reconciliation.adapters.redis.space import AsyncRedisSpace, RedisSpace
from reconciliation.domain.model.accounts import DEFAULT_CONNECTION, Connection
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.ports.broker import BrokerLimits
from reconciliation.settings import Settings
from reconciliation.usecases.dispatch_due import Dispatcher
from reconciliation.usecases.reconcile import Reconciler
from reconciliation.usecases.run_on_demand import OnDemandRuns
from reconciliation.usecases.run_sweep import SweepRunner

if TYPE_CHECKING:
    from reconciliation.adapters.celery.task_sender import TaskSender


class ConnectionDefinitions:
    """Connections as they are registered; `default` is the broker of the settings unless one of that name is."""

    def __init__(self, store: ConnectionStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._broker_names: Mapping[str, str] = {}
        self._names_read_at: float | None = None

    def get(self, name: str) -> Connection | None:
        registered = self._store.get(name)
        if registered is None and name == DEFAULT_CONNECTION:
            return Connection(name=name, broker=self._settings.broker, options=self._settings.broker_options)
        return registered

    def broker_names(self) -> Mapping[str, str]:
        """Return the kind of broker behind each connection, as it was at most `LOOK_AGAIN_SECONDS` ago."""
        now = monotonic()
        if self._names_read_at is None or now - self._names_read_at >= LOOK_AGAIN_SECONDS:
            registered = {each.name: each.broker for each in self._store.find()}
            self._broker_names = {DEFAULT_CONNECTION: self._settings.broker} | registered
            self._names_read_at = now
        return self._broker_names

    def in_flight_limits(self) -> Mapping[str, int]:
        """Return how many accounts of a slow login may be under way: what it can answer in one sweep's time."""
        settings = self._settings
        return {
            each.name: max(settings.sweep_size, round(each.requests_per_second * settings.sweep_seconds))
            for each in self._store.find()
            if each.requests_per_second is not None
        }


class ScheduleParts(ABC):
    """What `Bootstrap` adds to its other parts for the schedule."""

    settings: Settings

    @cached_property
    @abstractmethod
    def space(self) -> RedisSpace: ...
    @cached_property
    @abstractmethod
    def engine(self) -> Engine: ...
    @cached_property
    @abstractmethod
    def reconciler(self) -> Reconciler: ...
    @cached_property
    @abstractmethod
    def task_sender(self) -> "TaskSender": ...

    @cached_property
    def due_queue(self) -> DueQueue:
        return DueQueue(self.space)

    @cached_property
    def default_config(self) -> ReconciliationConfig:
        """What accounts follow that have nothing of their own."""
        return default_config(self.settings, DEFAULT_CONNECTION)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.engine)

    @cached_property
    def connection_store(self) -> ConnectionStore:
        return ConnectionStore(self.engine)

    @cached_property
    def connection_definitions(self) -> ConnectionDefinitions:
        return ConnectionDefinitions(self.connection_store, self.settings)

    @cached_property
    def async_space(self) -> AsyncRedisSpace:
        """For the process's event loop."""
        return AsyncRedisSpace.of(self.settings)

    @cached_property
    def connections(self) -> OpenConnections:
        return OpenConnections(self.connection_definitions, self._open_limiter)

    def _open_limiter(self, connection: str, limits: BrokerLimits) -> RateLimiter:
        lease_ms = self.settings.task_time_limit_seconds * 1000
        return RedisRateLimiter(self.async_space, connection, limits, lease_ms=lease_ms)

    @cached_property
    def circuit_breaker(self) -> RedisCircuitBreaker:
        settings = self.settings
        return RedisCircuitBreaker(
            self.space,
            failures_before_pause=settings.connection_failures_before_pause,
            pause_ms=round(settings.connection_pause_seconds * 1000),
            max_pause_ms=round(settings.connection_max_pause_seconds * 1000),
            probe_ms=round(settings.read_timeout_seconds * 1000),
        )

    @cached_property
    def account_mirror(self) -> AccountMirror:
        settings = self.settings
        return AccountMirror(
            self.space,
            self.due_queue,
            self.registry,
            defaults=self.default_config,
            startup_runs_per_second=settings.startup_runs_per_second,
            recover_ms=settings.run_lease_seconds * 1000,
        )

    @cached_property
    def on_demand_runs(self) -> OnDemandRuns:
        lease_ms = self.settings.run_lease_seconds * 1000
        return OnDemandRuns(queue=self.due_queue, reconciler=self.reconciler, lease_ms=lease_ms)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        from reconciliation.adapters.celery.sweep_sender import TaskSweepSender  # noqa: PLC0415 - imports Celery

        settings = self.settings
        return Dispatcher(
            queue=self.due_queue,
            mirror=self.account_mirror,
            in_flight_limits=self.connection_definitions,
            sender=TaskSweepSender(self.task_sender),
            sweep_size=settings.sweep_size,
            max_queued_sweeps=settings.max_queued_sweeps,
            lease_ms=round(settings.dispatch_lease_seconds * 1000),
        )

    def sweeper(self, should_stop: Callable[[], bool] = lambda: False) -> SweepRunner:
        """Return what makes the runs of one sweep message."""
        settings = self.settings
        # A read that began at the last moment still ends before the task's soft time limit.
        longest_seconds = settings.task_time_limit_seconds - 10 - settings.read_timeout_seconds
        return SweepRunner(
            queue=self.due_queue,
            reconciler=self.reconciler,
            recorded=SqlRecordedRuns(self.engine),
            lease_ms=settings.run_lease_seconds * 1000,
            sweep_seconds=max(1.0, min(settings.sweep_seconds, longest_seconds)),
            max_crashes=settings.max_run_crashes,
            should_stop=should_stop,
        )

    async def aclose(self) -> None:
        """Close what holds asyncio resources. To be called in the event loop that used them, before `close`."""
        if "connections" in self.__dict__:
            await self.connections.aclose()
        if "async_space" in self.__dict__:
            await self.async_space.client.aclose()


def default_config(settings: Settings, account_id: str) -> ReconciliationConfig:
    """Return the configuration of an account that has none of its own."""
    return ReconciliationConfig(
        account_id,
        interval_seconds=settings.interval_seconds,
        post_fill_delay_seconds=settings.post_fill_delay_seconds,
        cash_tolerance=Decimal(settings.cash_tolerance),
        equity_tolerance_pct=Decimal(settings.equity_tolerance_pct),
        post_fill_max_wait_seconds=settings.post_fill_max_wait_seconds,
        read_timeout_seconds=settings.read_timeout_seconds,
    )
