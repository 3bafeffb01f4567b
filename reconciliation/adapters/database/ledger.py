"""The ledger in our own tables: the runs of a sweep, and all that follows from them, in one transaction.

What follows is decided by `domain.breaks.apply_runs`; here it is loaded, locked and written. The number of statements
does not depend on the number of accounts or findings.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, func, select

from reconciliation.adapters.database.account_lock import LockedAccounts, lock_accounts, save_accounts
from reconciliation.adapters.database.bulk_rows import insert_rows, is_among, upsert_rows
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.ledger_rows import break_of, break_row, change_row, discrepancy_row, run_row
from reconciliation.adapters.database.tables.ledger import (
    AccountConditionRow,
    BreakEventRow,
    BreakRow,
    DiscrepancyRow,
    RunRow,
)
from reconciliation.domain.breaks.account_health import Condition
from reconciliation.domain.breaks.apply_runs import Changes, apply_runs
from reconciliation.domain.breaks.break_ import Break, BreakEvent, BreakKey
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import Outcome
from reconciliation.messages.break_events import event_id
from reconciliation.ports.run_ledger import Recording

#: Breaks loaded in one statement: well below what either database takes as parameters.
_KEYS_PER_STATEMENT = 10_000


class SqlLedger:
    """Implements `reconciliation.ports.run_ledger.RunLedger` on SQLite and PostgreSQL."""

    def __init__(self, engine: Engine, *, policy: BreakPolicy) -> None:
        self._engine = engine
        self._policy = policy

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        """Record every run, advance the breaks of its account, and queue the events to publish: all or nothing.

        Raises:
            StorageError: the database cannot be reached; nothing was recorded.
        """
        if not runs:
            return Recording()
        with write_transaction(self._engine) as connection:
            locked = lock_accounts(connection, (run.result.account_id for run in runs))
            changes = apply_runs(
                locked.health,
                _load_breaks(connection, runs),
                runs,
                self._policy,
                recorded=_recorded(connection, [run.result.run_id for run in runs]),
                lists_nothing=_lists_nothing(connection, runs),
            )
            _write(connection, locked, changes)
        return Recording.of(changes)


def _recorded(connection: Connection, run_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    recorded = is_among(RunRow.run_id, run_ids, connection)
    rows = connection.execute(select(RunRow.run_id, RunRow.outcome).where(recorded)).all()
    return {run_id: Outcome(outcome) for run_id, outcome in rows}


def _load_breaks(connection: Connection, runs: Sequence[RecordedRun]) -> list[Break]:
    """Return the live breaks of the accounts, and the resolved ones that a run shows again."""
    account_ids = sorted({run.result.account_id for run in runs})
    seen = sorted({BreakKey.of(found).break_id for run in runs for found in run.result.discrepancies})
    table = BreakRow.__table__
    live = is_among(table.c.account_id, account_ids, connection) & (table.c.state != BreakState.RESOLVED.value)
    rows = [*connection.execute(select(table).where(live)).mappings()]
    for start in range(0, len(seen), _KEYS_PER_STATEMENT):
        shown = is_among(table.c.break_id, seen[start : start + _KEYS_PER_STATEMENT], connection)
        again = shown & (table.c.state == BreakState.RESOLVED.value)
        rows.extend(connection.execute(select(table).where(again)).mappings())
    return [break_of(row) for row in rows]


def _lists_nothing(connection: Connection, runs: Sequence[RecordedRun]) -> dict[str, int]:
    """Return how many accounts of the connections list nothing; asked only where a run of them does."""
    names = sorted({run.connection for run in runs if run.lists_nothing and run.connection is not None})
    if not names:
        return {}
    table = AccountConditionRow.__table__
    counted = (
        select(table.c.connection, func.count())
        .where(table.c.condition == Condition.LISTS_NOTHING.value, is_among(table.c.connection, names, connection))
        .group_by(table.c.connection)
    )
    return dict(connection.execute(counted).all())


def _write(connection: Connection, locked: LockedAccounts, changes: Changes) -> None:
    if changes.replaced:
        connection.execute(delete(RunRow).where(RunRow.run_id.in_(changes.replaced)))
    insert_rows(connection, RunRow, [run_row(applied.run, applied.not_applied) for applied in changes.runs])
    findings = [
        discrepancy_row(applied.run.result.run_id, found)
        for applied in changes.runs
        for found in applied.run.result.discrepancies
    ]
    insert_rows(connection, DiscrepancyRow, findings)
    upsert_rows(connection, BreakRow, [break_row(case) for case in changes.breaks])
    ids = {
        (event.case.key, event.change.number): event_id(event)
        for event in changes.events
        if isinstance(event, BreakEvent)
    }
    history = [change_row(key.break_id, change, ids.get((key, change.number))) for key, change in changes.history]
    insert_rows(connection, BreakEventRow, history)
    locked.queue(changes.events)
    save_accounts(connection, locked, changes.accounts)
