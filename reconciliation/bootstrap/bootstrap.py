"""All parts of one process: stores, coordination and messaging, put together as use cases.

One `Bootstrap` belongs to one process: open it after a fork, close it at the end.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from reconciliation.adapters.brokers.host.connections import OpenConnections
from reconciliation.adapters.brokers.host.reader import ConnectionReader
from reconciliation.adapters.redis.account_mirror import AccountMirror
from reconciliation.bootstrap.coordination import Coordination
from reconciliation.bootstrap.policies import default_config
from reconciliation.bootstrap.stores import Stores
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.settings import Settings, load_settings
from reconciliation.usecases.dispatch_due import Dispatcher
from reconciliation.usecases.follow_up import RunFollowUp
from reconciliation.usecases.reconcile import Reconciler
from reconciliation.usecases.record_fills import FillRecorder
from reconciliation.usecases.relay_events import EventRelay
from reconciliation.usecases.run_after_fills import PostFillRuns
from reconciliation.usecases.run_on_demand import OnDemandRuns
from reconciliation.usecases.run_sweep import SweepRunner

if TYPE_CHECKING:
    from reconciliation.bootstrap.messaging import Messaging

Answer = TypeVar("Answer")


def open_parts(settings: Settings | None = None) -> "Bootstrap":
    """Return the parts of this process, by these settings or by those of the environment.

    Use it in a `with` statement, or call `close` at the end. Nothing is built or connected before its first use.

    Raises:
        ConfigurationError: the settings of the environment cannot work as written.
    """
    return Bootstrap(settings or load_settings())


class Bootstrap:
    """The use cases, built at first use from the parts that three builders open and close."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stores = Stores(settings)
        self.coordination = Coordination(settings)
        self._closing, self._async_closing = ExitStack(), AsyncExitStack()
        self._closing.callback(self.stores.close)
        self._closing.callback(self.coordination.close)
        self._async_closing.push_async_callback(self.coordination.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def messaging(self) -> "Messaging":
        from reconciliation.bootstrap.messaging import Messaging  # noqa: PLC0415 - imports Celery, which is slow

        messaging = Messaging(self.settings)
        self._closing.callback(messaging.close)
        return messaging

    @cached_property
    def default_config(self) -> ReconciliationConfig:
        """What accounts follow that have nothing of their own."""
        return default_config(self.settings)

    @cached_property
    def connections(self) -> OpenConnections:
        """The open brokers, of one event loop."""
        connections = OpenConnections(self.stores.connection_definitions, self.coordination.open_limiter)
        self._async_closing.push_async_callback(connections.aclose)
        return connections

    @cached_property
    def event_relay(self) -> EventRelay:
        return EventRelay(self.stores.outbox, self.coordination.event_stream)

    @cached_property
    def run_follow_up(self) -> RunFollowUp:
        return RunFollowUp(
            relay=self.event_relay, queue=self.coordination.due_queue, wanted=self.stores.wanted_confirmations
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            directory=self.stores.account_directory,
            local_book=self.stores.local_book,
            broker_reader=ConnectionReader(
                self.connections, self.coordination.circuit_breaker, self.coordination.clock.now
            ),
            ledger=self.stores.ledger,
            follow_up=self.run_follow_up,
            publisher=self.coordination.publisher,
            local_timeout_seconds=self.settings.read_timeout_seconds,
            fill_watch=self.coordination.fill_windows,
            symbols=self.stores.symbols,
            clock=self.coordination.clock,
        )

    @cached_property
    def account_mirror(self) -> AccountMirror:
        settings = self.settings
        return AccountMirror(
            self.coordination.space,
            self.coordination.due_queue,
            self.stores.registry,
            defaults=self.default_config,
            startup_runs_per_second=settings.startup_runs_per_second,
            recover_ms=settings.run_lease_seconds * 1000,
            has_default_connection=bool(settings.broker),
        )

    @cached_property
    def dispatcher(self) -> Dispatcher:
        settings = self.settings
        return Dispatcher(
            queue=self.coordination.due_queue,
            mirror=self.account_mirror,
            connections=self.stores.connection_definitions,
            tasks=self.messaging.task_queue,
            sweep_size=settings.sweep_size,
            max_queued_sweeps=settings.max_queued_sweeps,
            lease_ms=round(settings.dispatch_lease_seconds * 1000),
        )

    def sweeper(self, should_stop: Callable[[], bool] = lambda: False) -> SweepRunner:
        """Return what makes the runs of one sweep message."""
        settings = self.settings
        return SweepRunner(
            queue=self.coordination.due_queue,
            reconciler=self.reconciler,
            recorded=self.stores.recorded_runs,
            lease_ms=settings.run_lease_seconds * 1000,
            sweep_seconds=self._sweep_seconds,
            max_crashes=settings.max_run_crashes,
            should_stop=should_stop,
        )

    @cached_property
    def on_demand_runs(self) -> OnDemandRuns:
        lease_ms = self.settings.run_lease_seconds * 1000
        return OnDemandRuns(queue=self.coordination.due_queue, reconciler=self.reconciler, lease_ms=lease_ms)

    @cached_property
    def fill_recorder(self) -> FillRecorder:
        return FillRecorder(self.coordination.fill_windows, self.messaging.task_queue)

    def post_fill_runs(self, should_stop: Callable[[], bool] = lambda: False) -> PostFillRuns:
        """Return what makes the runs of one wake-up."""
        return PostFillRuns(
            self.coordination.fill_windows,
            self.messaging.task_queue,
            self.reconciler,
            sweep_size=self.settings.sweep_size,
            sweep_seconds=self._sweep_seconds,
            should_stop=should_stop,
        )

    @property
    def _sweep_seconds(self) -> float:
        # A read that began at the last moment still ends before the task's soft time limit.
        longest_seconds = self.settings.task_time_limit_seconds - 10 - self.settings.read_timeout_seconds
        return max(1.0, min(self.settings.sweep_seconds, longest_seconds))

    def run(self, work: Coroutine[None, None, Answer]) -> Answer:
        """Run a coroutine in an event loop of its own, and close at its end what belongs to that loop.

        For a process that does one such thing: brokers that are closed are not opened a second time.
        """

        async def run_and_close() -> Answer:
            try:
                return await work
            finally:
                await self.aclose()

        return asyncio.run(run_and_close())

    async def aclose(self) -> None:
        """Close what belongs to the event loop; call it there, before `close`."""
        await self._async_closing.aclose()

    def close(self) -> None:
        """Close every part that was built, the last one first."""
        self._closing.close()
