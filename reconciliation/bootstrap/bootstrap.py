"""The wiring: builds every part from Settings, each once and at first use. The only place that does.

One `Bootstrap` belongs to one process: build it after a fork, close it at the end.
"""

from contextlib import ExitStack
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from sqlalchemy import Engine

from reconciliation.adapters.books.csv import CsvBook
from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.adapters.books.user_tables.options import Mode
from reconciliation.adapters.brokers.host.reader import ConnectionReader
from reconciliation.adapters.database.account_directory import RegistryDirectory
from reconciliation.adapters.database.confirmations import SqlWantedConfirmations
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.ledger import SqlLedger
from reconciliation.adapters.database.local_book import SqlBook
from reconciliation.adapters.database.missed_slots import SqlMissedSlots
from reconciliation.adapters.database.outbox import SqlOutbox
from reconciliation.adapters.database.symbols import StoredSymbols, SymbolStore
from reconciliation.adapters.redis.channels import ChannelPublisher
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.adapters.redis.fill_window import FillWindows, WindowTimes
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.bootstrap.schedule_parts import ScheduleParts
from reconciliation.domain.breaks.policy import BreakPolicy, SeverityRule
from reconciliation.errors import ConfigurationError
from reconciliation.ports.local_book import LocalBook
from reconciliation.settings import Settings
from reconciliation.usecases.follow_up import RunFollowUp
from reconciliation.usecases.reconcile import Reconciler
from reconciliation.usecases.record_fills import FillRecorder
from reconciliation.usecases.relay_events import EventRelay
from reconciliation.usecases.run_after_fills import PostFillRuns

if TYPE_CHECKING:
    from reconciliation.adapters.celery.task_sender import TaskSender
    from reconciliation.adapters.celery.wake_up_sender import WakeUpSender


class Bootstrap(ScheduleParts):
    """All parts of one process. Parts that are never asked for are never built."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._closing = ExitStack()

    @cached_property
    def space(self) -> RedisSpace:
        space = RedisSpace.of(self.settings)
        self._closing.callback(space.client.close)
        return space

    @property
    def redis(self) -> redis.Redis:
        return self.space.client

    @cached_property
    def engine(self) -> Engine:
        engine = build_engine(self.settings.database_url.get_secret_value())
        self._closing.callback(engine.dispose)
        return engine

    @cached_property
    def local_book(self) -> LocalBook:
        options = self.settings.local_options
        if self.settings.local == "sql":
            return SqlBook(self.engine)
        if self.settings.local == "csv":
            if "positions" not in options:
                raise ConfigurationError(
                    'RECONCILIATION_LOCAL is "csv", but RECONCILIATION_LOCAL_OPTIONS names no "positions" file'
                )
            balances = options.get("balances")
            return CsvBook(Path(options["positions"]), Path(balances) if balances else None)
        if self.settings.local in ("table", "query"):
            return self.user_tables
        raise ConfigurationError(
            f"RECONCILIATION_LOCAL is {self.settings.local!r}: it must be one of sql, csv, table, query"
        )

    @cached_property
    def user_tables(self) -> UserTablesBook:
        """The users' own tables; whoever asks for it has looked at `settings.local`."""
        mode: Mode = "table" if self.settings.local == "table" else "query"
        url = self.settings.local_url or self.settings.database_url
        book = UserTablesBook.of(mode, self.settings.local_options, url.get_secret_value())
        self._closing.callback(book.close)
        return book

    @cached_property
    def break_policy(self) -> BreakPolicy:
        return break_policy(self.settings)

    @cached_property
    def ledger(self) -> SqlLedger:
        after = self.settings.failed_runs_before_alert
        return SqlLedger(self.engine, policy=self.break_policy, failed_runs_before_alert=after)

    @cached_property
    def event_relay(self) -> EventRelay:
        stream = RedisEventStream(self.space, max_events=self.settings.event_stream_max_events)
        return EventRelay(SqlOutbox(self.engine), stream)

    @cached_property
    def run_follow_up(self) -> RunFollowUp:
        wanted = SqlWantedConfirmations(self.engine)
        return RunFollowUp(relay=self.event_relay, queue=self.due_queue, wanted=wanted)

    @cached_property
    def missed_slots(self) -> SqlMissedSlots:
        return SqlMissedSlots(
            self.engine,
            interval_seconds=self.settings.interval_seconds,
            missed_slot_intervals=self.settings.missed_slot_intervals,
            flood_cap=self.settings.flood_cap,
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            directory=RegistryDirectory(self.registry, self.connection_definitions, self.default_config),
            local_book=self.local_book,
            broker_reader=ConnectionReader(self.connections, self.circuit_breaker),
            ledger=self.ledger,
            follow_up=self.run_follow_up,
            publisher=ChannelPublisher(self.space),
            local_timeout_seconds=self.settings.read_timeout_seconds,
            fill_watch=self.fill_windows,
            symbols=StoredSymbols(SymbolStore(self.engine)),
        )

    @cached_property
    def task_sender(self) -> "TaskSender":
        from reconciliation.adapters.celery.task_sender import (  # noqa: PLC0415 - imports Celery, which is slow
            TaskSender,
        )

        sender = TaskSender(self.settings)
        self._closing.callback(sender.close)
        return sender

    @cached_property
    def wake_up_sender(self) -> "WakeUpSender":
        from reconciliation.adapters.celery.wake_up_sender import WakeUpSender  # noqa: PLC0415 - the same

        # Half of the time-out: a message is acknowledged long before it would be delivered again.
        return WakeUpSender(self.task_sender, longest_wait_ms=self.settings.visibility_timeout_seconds * 500)

    @cached_property
    def fill_windows(self) -> FillWindows:
        settings = self.settings
        times = WindowTimes(
            delay_ms=round(settings.post_fill_delay_seconds * 1000),
            max_wait_ms=round(settings.post_fill_max_wait_seconds * 1000),
            lease_ms=settings.run_lease_seconds * 1000,
            backoff_ms=round(settings.post_fill_backoff_seconds * 1000),
            max_backoff_ms=round(settings.post_fill_max_backoff_seconds * 1000),
        )
        return FillWindows(self.space, times=times)

    @cached_property
    def fill_recorder(self) -> FillRecorder:
        return FillRecorder(self.fill_windows, self.wake_up_sender)

    @cached_property
    def post_fill_runs(self) -> PostFillRuns:
        return PostFillRuns(self.fill_windows, self.wake_up_sender, self.reconciler)

    def close(self) -> None:
        """Close every part that was built, the last one first."""
        self._closing.close()


def break_policy(settings: Settings) -> BreakPolicy:
    """Return the rules of breaks that the settings describe.

    Raises:
        ConfigurationError: a severity rule cannot work as written.
    """
    try:
        rules = tuple(SeverityRule(**rule) for rule in settings.severity_rules)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"RECONCILIATION_SEVERITY_RULES cannot work as written: {error}") from error
    return BreakPolicy(
        confirmations=settings.break_confirmations,
        confirmation_delay_seconds=settings.confirmation_delay_seconds,
        max_suspicion_seconds=settings.max_suspicion_seconds,
        flood_cap=settings.flood_cap,
        material_change_pct=Decimal(settings.material_change_pct),
        severity_rules=rules,
    )
