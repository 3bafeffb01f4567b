import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, insert, inspect, text

from reconciliation.adapters.database import migrate
from reconciliation.adapters.database import tables as our_tables
from reconciliation.adapters.database.break_pages import SqlBreakPages
from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.migrate import pending, upgrade
from reconciliation.adapters.database.tables.local_book import Account, Base
from reconciliation.domain.breaks.break_ import Amounts, BreakKey, Sightings, replay
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import StorageError
from reconciliation.ports.breaks import BreakFilter, BreakSort, SortKey
from tests.builders.ledger import QUANTITY, after, finding, run
from tests.integration.adapters.database.books import opened


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


def test_a_database_of_the_release_before_account_health_keeps_its_data(empty_database_url: str) -> None:
    engine = build_engine(empty_database_url)
    upgrade(engine)
    with write_transaction(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0005_fill_times")
        _fill_ledger_before_account_health(connection)
    upgrade(engine)

    breaks = SqlBreaks(engine)
    every = BreakFilter(states=tuple(BreakState))
    oldest_first = (SortKey(BreakSort.FIRST_SEEN_AT),)
    page = SqlBreakPages(engine).page(every, sort=oldest_first, limit=None)
    found = {case.key.symbol: case for case in page.breaks}
    assert {symbol: (case.state.value, case.is_announced) for symbol, case in found.items()} == {
        "OPEN": ("open", True),
        "NEW": ("suspected", False),
        "HAND": ("resolved", True),
    }
    assert found["OPEN"].published == Amounts(local_value=Decimal("100.5"), broker_value=Decimal(110))
    assert found["HAND"].resolved_by == "ann"
    for case in found.values():
        assert replay(case.key, breaks.show(str(case.break_id)).history) == replace(case, seen=Sightings())
    with opened(empty_database_url) as book:
        health = book.rows("SELECT account_id, connection, flood_runs FROM account_health ORDER BY account_id")
        assert health == [("", None, 0), ("A", "ibkr", 1), ("B", None, 0)]
        conditions = book.rows("SELECT account_id, condition, connection, is_shared FROM account_conditions ORDER BY 1")
        assert conditions == [("A", "flood", "ibkr", False), ("B", "missed_slot", "", True)]
        assert book.rows("SELECT condition, scope, published FROM shared_conditions") == [("missed_slot", "", 1)]
        book.record(run(60, finding("OPEN", local="100.5")))
        assert book.events() == ["flood_ended"]
    engine.dispose()


def _fill_ledger_before_account_health(connection: Connection) -> None:
    """Write rows as the release before wrote them."""
    tables = MetaData()
    tables.reflect(connection)

    def add(name: str, **values: Any) -> None:
        connection.execute(insert(tables.tables[name]), [values])

    add("accounts", account_id="A", connection="ibkr", revision=1)
    since = after(0).isoformat()
    conditions = {"": "missed_slot_together", "A": "flood", "B": "missed_slot_together"}
    for account_id, word in conditions.items():
        standing = {"last_run_at": after(0), "fences": {}, "failed_runs": 0, "sequence": 0}
        add("account_standings", account_id=account_id, conditions={word: since}, **standing)
    histories = {
        "OPEN": [("suspected", 0, None), ("opened", 5, None)],
        "NEW": [("suspected", 0, None)],
        "HAND": [("suspected", 0, None), ("opened", 5, None), ("resolved", 9, "ann")],
    }
    amounts = {"local_value": "100.5", "broker_value": "110"}
    for symbol, history in histories.items():
        key = BreakKey(account_id="A", symbol=symbol, asset_type=AssetType.STOCK, type=QUANTITY)
        break_id = key.break_id if connection.dialect.name == "postgresql" else key.break_id.hex
        times = {kind: after(second) for kind, second, _ in history}
        state = {"suspected": "suspected", "opened": "open", "resolved": "resolved"}[history[-1][0]]
        told = {f"told_{name}": value for name, value in amounts.items()}
        words = {
            "type": key.type.value,
            "symbol": symbol,
            "asset_type": "stock",
            "currency": "",
            "severity": "critical",
        }
        seen = {
            "sightings": 2,
            "counted_from": after(0),
            "last_seen_at": after(5),
            "confirmations_asked": 0,
            "hints": [],
        }
        life = {"first_seen_at": after(0), "opened_at": times.get("opened"), "resolved_at": times.get("resolved")}
        counts = {"open_count": int("opened" in times), "changes": len(history), "state": state}
        add("breaks", break_id=break_id, account_id="A", **words, **amounts, **told, **seen, **life, **counts)
        for number, (kind, second, actor) in enumerate(history, start=1):
            entry = {"kind": kind, "at": after(second), "actor": actor, "severity": "critical", **amounts}
            add("break_events", break_id=break_id, number=number, **entry)
