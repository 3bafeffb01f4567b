"""Retention: old runs and long-resolved breaks are deleted in small transactions, while workers run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from sqlalchemy import ColumnElement, Engine, delete, exists, func, select

from reconciliation.adapters.database.account_lock import lock_accounts
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow, RunRow
from reconciliation.domain.breaks.states import BreakState

#: Rows of one transaction: a worker that waits for it waits for milliseconds.
BATCH_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How much was deleted, or would be."""

    runs: int
    breaks: int


def count_old(engine: Engine, before: datetime) -> Pruned:
    """Return how much `prune` would delete.

    Raises:
        StorageError: the database cannot be reached.
    """
    old_runs = select(func.count()).select_from(RunRow).where(RunRow.timestamp < before)
    old_breaks = select(func.count()).select_from(BreakRow).where(*_old_breaks(before))
    with read_transaction(engine) as connection:
        runs = connection.execute(old_runs).scalar_one()
        breaks = connection.execute(old_breaks).scalar_one()
    return Pruned(runs=runs, breaks=breaks)


def prune(
    engine: Engine,
    before: datetime,
    *,
    on_deleted: Callable[[int], object] = lambda _: None,
    limit_seconds: float = float("inf"),
) -> Pruned:
    """Delete runs that began, and breaks that were resolved, before a time, with all that belongs to them.

    A break that is not resolved, or that a person worked, is kept whatever its age.
    The call may be stopped at any moment, and made by many at once.

    Args:
        engine: of our own database.
        before: what is older than this goes.
        on_deleted: called after each transaction with the number of rows.
        limit_seconds: no further transaction begins after this time; the next call goes on.

    Raises:
        StorageError: the database cannot be reached; what was deleted until then stays deleted.
    """
    deadline = monotonic() + limit_seconds
    # Breaks first: they are few, and must not wait behind millions of runs.
    breaks = _repeat(lambda: _prune_breaks(engine, before), on_deleted, deadline)
    runs = _repeat(lambda: _prune_runs(engine, before), on_deleted, deadline)
    return Pruned(runs=runs, breaks=breaks)


def oldest_run_at(engine: Engine) -> datetime | None:
    """Return when the oldest recorded run began.

    Raises:
        StorageError: the database cannot be reached.
    """
    with read_transaction(engine) as connection:
        return connection.execute(select(func.min(RunRow.timestamp))).scalar_one_or_none()


def _old_breaks(before: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a break that is deleted. One that a person judged is kept."""
    by_person = exists().where(BreakEventRow.break_id == BreakRow.break_id, BreakEventRow.actor.is_not(None))
    return (BreakRow.state == BreakState.RESOLVED.value, BreakRow.resolved_at < before, ~by_person)


def _repeat(step: Callable[[], int], on_deleted: Callable[[int], object], deadline: float) -> int:
    total = 0
    while monotonic() < deadline:
        deleted = step()
        if not deleted:
            break
        total += deleted
        on_deleted(deleted)
    return total


def _prune_runs(engine: Engine, before: datetime) -> int:
    oldest = select(RunRow.run_id).where(RunRow.timestamp < before).order_by(RunRow.timestamp).limit(BATCH_ROWS)
    with write_transaction(engine) as connection:
        # Rows that another prune deletes at this moment are left to it.
        run_ids = connection.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
        connection.execute(delete(RunRow).where(RunRow.run_id.in_(run_ids)))
    return len(run_ids)


def _prune_breaks(engine: Engine, before: datetime) -> int:
    old = _old_breaks(before)
    oldest = select(BreakRow.break_id, BreakRow.account_id).where(*old).order_by(BreakRow.resolved_at).limit(BATCH_ROWS)
    with write_transaction(engine) as connection:
        found = connection.execute(oldest).all()
        if not found:
            return 0
        # With the lock of their accounts, no run can open one of them between the look and the deletion.
        lock_accounts(connection, {account_id for _, account_id in found})
        break_ids = [break_id for break_id, _ in found]
        connection.execute(delete(BreakRow).where(BreakRow.break_id.in_(break_ids), *old))
    return len(found)
