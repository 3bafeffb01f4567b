"""What people use through the command line, the HTTP API and the page: use cases and read ports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path

from reconciliation.adapters.books.symbol_file import read_symbol_mappings
from reconciliation.adapters.brokers.host.registry import broker_names
from reconciliation.adapters.database.break_pages import SqlBreakPages
from reconciliation.adapters.database.break_reports import SqlBreakReports
from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.adapters.database.bulk_jobs import SqlBulkJobs
from reconciliation.adapters.database.migrate import pending, upgrade
from reconciliation.adapters.database.retention import Pruned, count_old, prune
from reconciliation.adapters.database.runs import SqlRuns
from reconciliation.adapters.database.symbols import SymbolStore
from reconciliation.adapters.redis.due_status import ScheduleStatus, read_status
from reconciliation.adapters.redis.fill_status import FillStatus, read_fill_status
from reconciliation.adapters.redis.fill_stream import RedisFillStream
from reconciliation.adapters.redis.listener import ChannelListener
from reconciliation.bootstrap.bootstrap import Bootstrap, open_parts
from reconciliation.domain.comparison.symbol_matching import SymbolMapping
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import ReadError
from reconciliation.ports.local_book import PreviewRow
from reconciliation.settings import Settings
from reconciliation.usecases.manage_accounts import AccountManagement
from reconciliation.usecases.manage_connections import ConnectionManagement
from reconciliation.usecases.request_runs import RunRequests
from reconciliation.usecases.work_breaks import BreakWork, BulkWork

__all__ = ["Desk", "ScheduleStatus", "open_desk"]


@contextmanager
def open_desk(settings: Settings | None = None) -> "Iterator[Desk]":
    """Open the parts of this process for people, and close them at the end.

    Raises:
        ConfigurationError: the settings of the environment cannot work as written.
    """
    with open_parts(settings) as parts:
        yield Desk(parts)


class Desk:
    """Builds each part at first use; `parts` opens and closes what they need."""

    def __init__(self, parts: Bootstrap) -> None:
        self.parts = parts

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    @cached_property
    def breaks(self) -> SqlBreaks:
        return SqlBreaks(self.parts.stores.engine)

    @cached_property
    def break_work(self) -> BreakWork:
        return BreakWork(breaks=self.breaks, follow_up=self.parts.run_follow_up)

    @cached_property
    def bulk_work(self) -> BulkWork:
        return BulkWork(jobs=SqlBulkJobs(self.parts.stores.engine), follow_up=self.parts.run_follow_up)

    @cached_property
    def break_pages(self) -> SqlBreakPages:
        return SqlBreakPages(self.parts.stores.engine)

    @cached_property
    def break_reports(self) -> SqlBreakReports:
        return SqlBreakReports(self.parts.stores.engine)

    @cached_property
    def runs(self) -> SqlRuns:
        return SqlRuns(self.parts.stores.engine)

    @cached_property
    def run_requests(self) -> RunRequests:
        return RunRequests(registry=self.parts.stores.registry, queue=self.parts.coordination.due_queue, runs=self.runs)

    @cached_property
    def accounts(self) -> AccountManagement:
        return AccountManagement(
            registry=self.parts.stores.registry,
            find_connection=self.parts.stores.connection_definitions.get,
            defaults=self.parts.default_config,
        )

    @cached_property
    def connections(self) -> ConnectionManagement:
        return ConnectionManagement(connections=self.parts.stores.connection_store, broker_names=broker_names)

    @cached_property
    def symbols(self) -> SymbolStore:
        return SymbolStore(self.parts.stores.engine)

    def read_symbol_file(self, path: Path) -> list[SymbolMapping]:
        """Return the mappings in a CSV file.

        Raises:
            InvalidInputError: the file is not as it should be; the message names file, line and column.
        """
        return read_symbol_mappings(path)

    def schedule_status(self) -> ScheduleStatus:
        """Return how the due-queue stands.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        return read_status(self.parts.coordination.space)

    def fill_status(self) -> FillStatus:
        """Return how the fill windows stand.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        return read_fill_status(self.parts.coordination.space, self.parts.coordination.fill_windows)

    def fill_stream(self, stream: str, *, group: str, consumer: str) -> RedisFillStream:
        """Return a consumer's view of a Redis Stream of fills."""
        return RedisFillStream(self.parts.coordination.space, stream=stream, group=group, consumer=consumer)

    def channel_listener(self, channels: Sequence[str]) -> ChannelListener:
        """Return a listener that is not subscribed yet; the caller closes it."""
        return ChannelListener(self.parts.coordination.space, channels)

    def reconcile(self, request: RunRequest) -> ReconciliationResult:
        """Make one run in this process. The parts cannot be used for another run afterwards.

        Raises:
            StorageError, CoordinationError: the run could not be recorded or published.
        """
        [result] = self.parts.run(self.parts.reconciler.reconcile([request]))
        return result

    def preview_book(self, account_id: str) -> Sequence[PreviewRow]:
        """Return the first rows of an account in the users' own tables; none where the local book is another.

        Raises:
            ReadError: the tables cannot be read.
        """
        if self.settings.local not in ("table", "query"):
            return []
        return self.parts.stores.user_tables.preview(account_id)

    def read_book(self, account_id: str) -> LocalSnapshot:
        """Return the local book of one account. The parts cannot be used for a run afterwards.

        Raises:
            ReadError: it cannot be read.
        """
        answer = self.parts.run(self._snapshots([account_id]))[account_id]
        if isinstance(answer, ReadError):
            raise answer
        return answer

    async def _snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        return await self.parts.stores.local_book.get_snapshots(account_ids)

    def missing_migrations(self) -> list[str]:
        """Return the names of the migrations that the database lacks."""
        return pending(self.parts.stores.engine)

    def migrate(self, on_wait: Callable[[str], object]) -> list[str]:
        """Apply every missing migration, and return their names; `on_wait` gets a sentence before each pause."""
        return upgrade(self.parts.stores.engine, on_wait)

    def count_old(self, before: datetime) -> Pruned:
        """Return how much `prune` would delete."""
        return count_old(self.parts.stores.engine, before)

    def prune(self, before: datetime, *, on_deleted: Callable[[int], object]) -> Pruned:
        """Delete runs and resolved breaks that are older than a time."""
        return prune(self.parts.stores.engine, before, on_deleted=on_deleted)
