"""Bulk jobs in our own tables: frozen in one transaction, done in batches, each break exactly once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.breaks import change_breaks, conditions, find_by_id, id_range
from reconciliation.adapters.database.bulk_rows import insert_rows, is_among, update_rows
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.ledger_rows import break_of
from reconciliation.adapters.database.tables.bulk import BulkItemRow, BulkJobRow
from reconciliation.adapters.database.tables.ledger import BreakRow
from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.errors import BreakRefusedError, InvalidInputError
from reconciliation.ports.breaks import BreakFilter
from reconciliation.ports.bulk_jobs import BulkItem, BulkJob, BulkResult

#: More are most likely a slip of the filter.
MAX_ITEMS = 100_000

_JOBS, _ITEMS, _BREAKS = BulkJobRow.__table__, BulkItemRow.__table__, BreakRow.__table__
_OPEN_ITEMS = _ITEMS.c.result.is_(None)


class SqlBulkJobs:
    """Implements `reconciliation.ports.bulk_jobs.BulkJobStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, action: BreakAction, selection: str, wanted: BreakFilter | Sequence[str]) -> UUID:
        """Freeze the breaks that a filter, or ids of breaks, name now; change none of them yet.

        Raises:
            InvalidInputError: there is no such break, or there are too many.
            StorageError: the database cannot be reached.
        """
        job_id = uuid4()
        with write_transaction(self._engine) as connection:
            rows = _frozen(connection, wanted)
            connection.execute(insert(BulkJobRow).values(job_id=job_id, selection=selection, **_action_row(action)))
            items = [
                {"job_id": job_id, "number": number, "result": None, "message": None, **row}
                for number, row in enumerate(rows, start=1)
            ]
            insert_rows(connection, BulkItemRow, items)
        return job_id

    def work(self, job_id: UUID, *, limit: int) -> list[str]:
        """Do the next items of a job, each once, in one transaction; return their accounts. Empty: all are done.

        Raises:
            StorageError: the database cannot be reached; the items wait for the next call.
        """
        with write_transaction(self._engine) as connection:
            # Two that work on one job wait for each other here.
            job = connection.execute(select(_JOBS).where(_JOBS.c.job_id == job_id).with_for_update()).mappings().one()
            waiting = select(_ITEMS).where(_ITEMS.c.job_id == job_id, _OPEN_ITEMS).order_by(_ITEMS.c.number)
            items = connection.execute(waiting.limit(limit)).mappings().all()
            if not items:
                finished = update(BulkJobRow).where(_JOBS.c.job_id == job_id, _JOBS.c.finished_at.is_(None))
                connection.execute(finished.values(finished_at=datetime.now(UTC)))
                return []
            locked = lock_accounts(connection, {item["account_id"] for item in items})
            break_ids = is_among(_BREAKS.c.break_id, [item["break_id"] for item in items], connection)
            found = connection.execute(select(_BREAKS).where(break_ids)).mappings()
            cases = {row["break_id"]: break_of(row) for row in found}
            action = _action_of(job)
            outcomes = [_done(cases.get(item["break_id"]), item["version"], action) for item in items]
            change_breaks(connection, locked, [change for _, _, change in outcomes if change is not None])
            save_accounts(connection, locked, locked.health)
            results = [
                {**item, "result": result.value, "message": message}
                for item, (result, message, _) in zip(items, outcomes, strict=True)
            ]
            update_rows(connection, BulkItemRow, results)
        return sorted({item["account_id"] for item in items})

    def get(self, job_id: str) -> BulkJob:
        """Return a job by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no job, or more than one, has such an id.
            StorageError: the database cannot be reached.
        """
        first, last = id_range(job_id, "job")
        with read_transaction(self._engine) as connection:
            rows = (
                connection.execute(select(_JOBS).where(_JOBS.c.job_id.between(first, last)).limit(2)).mappings().all()
            )
            if len(rows) != 1:
                raise InvalidInputError(f"there is {'no' if not rows else 'more than one'} job {job_id!r}")
            of_job = select(_ITEMS).where(_ITEMS.c.job_id == rows[0]["job_id"]).order_by(_ITEMS.c.number)
            items = connection.execute(of_job).mappings().all()
        return _job(rows[0], items)


def _frozen(connection: Connection, wanted: BreakFilter | Sequence[str]) -> list[Mapping[str, Any]]:
    columns = (_BREAKS.c.break_id, _BREAKS.c.account_id, _BREAKS.c.changes.label("version"))
    if isinstance(wanted, BreakFilter):
        ordered = select(*columns).where(*conditions(wanted)).order_by(_BREAKS.c.account_id, _BREAKS.c.break_id)
        rows: list[Mapping[str, Any]] = [
            dict(row) for row in connection.execute(ordered.limit(MAX_ITEMS + 1)).mappings()
        ]
    else:
        cases = {case.break_id: case for case in (find_by_id(connection, text) for text in wanted)}
        rows = [
            {"break_id": case.break_id, "account_id": case.key.account_id, "version": case.changes}
            for case in cases.values()
        ]
    if not rows:
        raise InvalidInputError("no break matches the filter: nothing was changed")
    if len(rows) > MAX_ITEMS:
        raise InvalidInputError(f"more than {MAX_ITEMS} breaks match: narrow the filter; nothing was changed")
    return rows


def _done(
    case: Break | None, version: int, action: BreakAction
) -> tuple[BulkResult, str | None, tuple[Break, BreakChange] | None]:
    if case is None:
        return BulkResult.CHANGED, "the break was deleted since it was selected", None
    if case.changes != version:
        return BulkResult.CHANGED, f"break {case.key} was changed since it was selected", None
    try:
        return BulkResult.DONE, None, act(case, action)
    except BreakRefusedError as error:
        return BulkResult.REFUSED, str(error), None


def _action_row(action: BreakAction) -> dict[str, Any]:
    return {
        "kind": action.kind.value,
        "actor": action.actor,
        "note": action.note,
        "assignee": action.assignee,
        "until": action.until,
        "change_limit": action.change_limit,
        "created_at": action.at,
        "finished_at": None,
    }


def _action_of(row: RowMapping) -> BreakAction:
    return BreakAction(
        kind=BreakEventKind(row["kind"]),
        actor=row["actor"],
        at=row["created_at"],
        note=row["note"],
        assignee=row["assignee"],
        until=row["until"],
        change_limit=row["change_limit"],
    )


def _job(row: Any, items: Sequence[Any]) -> BulkJob:
    return BulkJob(
        job_id=row["job_id"],
        action=_action_of(row),
        selection=row["selection"],
        finished_at=row["finished_at"],
        items=[
            BulkItem(
                break_id=item["break_id"],
                account_id=item["account_id"],
                result=None if item["result"] is None else BulkResult(item["result"]),
                message=item["message"],
            )
            for item in items
        ],
    )
