"""The database and the local book: what is kept in tables and files."""

from contextlib import ExitStack
from datetime import datetime
from functools import cached_property

from sqlalchemy import Engine

from reconciliation.adapters.books.user_tables.book import UserTablesBook
from reconciliation.adapters.books.user_tables.options import Mode
from reconciliation.adapters.database.account_directory import RegistryDirectory
from reconciliation.adapters.database.confirmations import SqlWantedConfirmations
from reconciliation.adapters.database.connections import ConnectionDefinitions, ConnectionStore
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.ledger import SqlLedger
from reconciliation.adapters.database.local_book import SqlBook
from reconciliation.adapters.database.missed_slots import SqlMissedSlots
from reconciliation.adapters.database.outbox import SqlOutbox
from reconciliation.adapters.database.registry import Registry
from reconciliation.adapters.database.retention import Pruned, oldest_run_at, prune
from reconciliation.adapters.database.run_ages import SqlRunAges
from reconciliation.adapters.database.runs import SqlRecordedRuns
from reconciliation.adapters.database.stream_lag import SqlStreamLag
from reconciliation.adapters.database.symbols import StoredSymbols, SymbolStore
from reconciliation.adapters.database.verification import SqlVerification
from reconciliation.bootstrap.csv_book import open_csv_book
from reconciliation.bootstrap.policies import break_policy, default_config, default_connection
from reconciliation.errors import ConfigurationError
from reconciliation.ports.local_book import LocalBook
from reconciliation.settings import Settings


class Stores:
    """Builds each store at its first use, and closes those that were built."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = ExitStack()

    @cached_property
    def engine(self) -> Engine:
        pooling = self._settings.database_pooling == "transaction"
        engine = build_engine(self._settings.database_url.get_secret_value(), transaction_pooling=pooling)
        self._closing.callback(engine.dispose)
        return engine

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.engine)

    @cached_property
    def connection_store(self) -> ConnectionStore:
        return ConnectionStore(self.engine)

    @cached_property
    def connection_definitions(self) -> ConnectionDefinitions:
        settings = self._settings
        return ConnectionDefinitions(
            self.connection_store,
            default_connection(settings),
            sweep_size=settings.sweep_size,
            sweep_seconds=settings.sweep_seconds,
        )

    @cached_property
    def account_directory(self) -> RegistryDirectory:
        return RegistryDirectory(self.registry, self.connection_definitions, default_config(self._settings))

    @cached_property
    def symbols(self) -> StoredSymbols:
        return StoredSymbols(SymbolStore(self.engine))

    @cached_property
    def ledger(self) -> SqlLedger:
        return SqlLedger(self.engine, policy=break_policy(self._settings))

    @cached_property
    def recorded_runs(self) -> SqlRecordedRuns:
        return SqlRecordedRuns(self.engine)

    @cached_property
    def wanted_confirmations(self) -> SqlWantedConfirmations:
        return SqlWantedConfirmations(self.engine)

    @cached_property
    def run_ages(self) -> SqlRunAges:
        return SqlRunAges(self.engine, interval_seconds=self._settings.interval_seconds)

    @cached_property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self.engine)

    @cached_property
    def missed_slots(self) -> SqlMissedSlots:
        settings = self._settings
        return SqlMissedSlots(self.engine, policy=break_policy(settings), interval_seconds=settings.interval_seconds)

    @cached_property
    def stream_lag(self) -> SqlStreamLag:
        return SqlStreamLag(self.engine)

    @cached_property
    def verification(self) -> SqlVerification:
        return SqlVerification(self.engine)

    @cached_property
    def local_book(self) -> LocalBook:
        local, options = self._settings.local, self._settings.local_options
        if local == "sql":
            return SqlBook(self.engine)
        if local == "csv":
            return open_csv_book(options)
        if local in ("table", "query"):
            return self.user_tables
        raise ConfigurationError(f"RECONCILIATION_LOCAL is {local!r}: it must be one of sql, csv, table, query")

    @cached_property
    def user_tables(self) -> UserTablesBook:
        """The users' own tables, where `settings.local` is `table` or `query`."""
        mode: Mode = "table" if self._settings.local == "table" else "query"
        url = self._settings.local_url or self._settings.database_url
        book = UserTablesBook.of(mode, self._settings.local_options, url.get_secret_value())
        self._closing.callback(book.close)
        return book

    def prune(self, before: datetime, *, limit_seconds: float) -> Pruned:
        """Delete what is older, for at most `limit_seconds`."""
        return prune(self.engine, before, limit_seconds=limit_seconds)

    def oldest_run_at(self) -> datetime | None:
        """Return when the oldest recorded run began."""
        return oldest_run_at(self.engine)

    def close(self) -> None:
        """Close what was built, the last one first."""
        self._closing.close()
