import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, text

from reconciliation.adapters.database import migrate
from reconciliation.adapters.database import tables as our_tables
from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.migrate import pending, upgrade
from reconciliation.adapters.database.tables.local_book import Account, Base
from reconciliation.errors import StorageError


def test_the_tables_after_all_migrations_are_those_of_the_models(database_url: str) -> None:
    for module in pkgutil.iter_modules(our_tables.__path__, f"{our_tables.__name__}."):
        importlib.import_module(module.name)  # each adds its tables to the shared metadata
    engine = build_engine(database_url)
    with read_transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, Base.metadata)
        tables = set(inspect(connection).get_table_names())
    engine.dispose()

    assert differences == []
    assert tables == set(Base.metadata.tables) | {"alembic_version"}


def test_an_empty_database_says_what_is_pending_and_takes_it_once(empty_database_url: str) -> None:
    engine = build_engine(empty_database_url)
    missing = pending(engine)

    assert missing[0] == "0001_local_book"
    assert upgrade(engine) == missing
    assert pending(engine) == []
    assert upgrade(engine) == []
    engine.dispose()


def test_many_workers_may_migrate_at_once(empty_database_url: str) -> None:
    def migrate_once(_: int) -> list[str]:
        engine = build_engine(empty_database_url)
        try:
            return upgrade(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate_once, range(4)))

    assert sum(bool(names) for names in applied) == 1


def test_migrating_keeps_the_rows_that_are_there(database_url: str) -> None:
    engine = build_engine(database_url)
    with write_transaction(engine) as connection:
        connection.execute(insert(Account).values(account_id="A"))
    upgrade(engine)
    with read_transaction(engine) as connection:
        assert connection.execute(text("SELECT account_id FROM local_accounts")).scalars().all() == ["A"]
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    engine = build_engine(database_url)
    with write_transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))

    with pytest.raises(StorageError, match=r"9999_future.*newer version"):
        pending(engine)
    with pytest.raises(StorageError, match="newer version"):
        upgrade(engine)
    engine.dispose()


def test_a_database_without_its_tables_names_the_command_that_makes_them(empty_database_url: str) -> None:
    engine = build_engine(empty_database_url)
    with pytest.raises(StorageError, match="reconcile migrate"), read_transaction(engine) as connection:
        connection.execute(text("SELECT account_id FROM local_accounts"))
    engine.dispose()


def test_a_migration_behind_a_long_reader_lets_others_read_between_its_tries(postgres_url: str) -> None:
    engine, reports, others = (build_engine(postgres_url) for _ in range(3))
    with write_transaction(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004_symbols")
    said: list[str] = []

    with ExitStack() as report:
        reader = report.enter_context(read_transaction(reports))
        reader.execute(text("SELECT count(*) FROM accounts"))

        def wait(sentence: str) -> None:
            said.append(sentence)
            # Would wait behind a migration that still waited for the table, and end at the lock time-out.
            with read_transaction(others) as other:
                other.execute(text("SET LOCAL lock_timeout = 100"))
                other.execute(text("SELECT count(*) FROM accounts"))
            report.close()

        assert upgrade(engine, on_wait=wait)[0] == "0005_fill_times"
    assert "another session holds a table" in said[0]
    assert pending(engine) == []
    for each in (engine, reports, others):
        each.dispose()


def test_a_migration_that_never_gets_its_table_changes_nothing_and_says_why(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_TRIES", 2)
    monkeypatch.setattr(migrate, "LOCK_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT_MS", 100)
    engine, reports = build_engine(postgres_url), build_engine(postgres_url)
    with write_transaction(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0004_symbols")
    missing = pending(engine)
    with read_transaction(reports) as reader:
        reader.execute(text("SELECT count(*) FROM accounts"))
        with pytest.raises(StorageError, match="other sessions held a table in each of 2 tries"):
            upgrade(engine)
    assert pending(engine) == missing
    engine.dispose()
    reports.dispose()
