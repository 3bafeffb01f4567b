"""Recorded runs: to look at, and to ask before an attempt is repeated whose first one may have been recorded."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from reconciliation.adapters.database.breaks import id_range
from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import DiscrepancyRow, RunRow
from reconciliation.domain.model.models import Outcome
from reconciliation.errors import InvalidInputError
from reconciliation.ports.runs import RunFilter

_RUNS = RunRow.__table__
_FINDINGS = DiscrepancyRow.__table__
_OUTCOMES = select(_RUNS.c.run_id, _RUNS.c.outcome)
#: Ids in one statement; SQLite allows 32,766 parameters.
CHUNK_ROWS = 500


class SqlRuns:
    """Reads runs from our own tables; a run is the mapping of its row."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, wanted: RunFilter, *, limit: int | None) -> list[Mapping[str, Any]]:
        """Return runs, the newest first; None: all.

        Raises:
            StorageError: the database cannot be reached.
        """
        statement = select(_RUNS).order_by(_RUNS.c.timestamp.desc()).limit(limit)
        for column, values in (
            (_RUNS.c.account_id, wanted.account_ids),
            (_RUNS.c.outcome, [outcome.value for outcome in wanted.outcomes]),
            (_RUNS.c.trigger, [trigger.value for trigger in wanted.triggers]),
        ):
            if values:
                statement = statement.where(column.in_(values))
        if wanted.since is not None:
            statement = statement.where(_RUNS.c.timestamp >= wanted.since)
        with read_transaction(self._engine) as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def show(self, run_id: str) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """Return one run and its findings, by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no run, or more than one, has such an id.
            StorageError: the database cannot be reached.
        """
        first, last = id_range(run_id, "run")
        with read_transaction(self._engine) as connection:
            found = select(_RUNS).where(_RUNS.c.run_id.between(first, last)).limit(2)
            rows = connection.execute(found).mappings().all()
            if not rows:
                raise InvalidInputError(f"there is no run {run_id!r}: `reconcile runs list` shows the latest")
            if len(rows) > 1:
                raise InvalidInputError(f"more than one run begins with {run_id!r}: write more of its id")
            run = dict(rows[0])
            findings = select(_FINDINGS).where(_FINDINGS.c.run_id == run["run_id"]).order_by(_FINDINGS.c.id)
            return run, [dict(row) for row in connection.execute(findings).mappings()]

    def outcomes(self, run_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the outcomes of those runs that are recorded.

        Raises:
            StorageError: the database cannot be reached.
        """
        found: dict[UUID, str] = {}
        with read_transaction(self._engine) as connection:
            for first in range(0, len(run_ids), CHUNK_ROWS):
                chunk = is_among(_RUNS.c.run_id, run_ids[first : first + CHUNK_ROWS], connection)
                found.update((row.run_id, row.outcome) for row in connection.execute(_OUTCOMES.where(chunk)))
        return found

    def why_not_applied(self, run_id: UUID) -> str | None:
        """Return why a recorded run changed no break; None: it was applied, or is not recorded.

        Raises:
            StorageError: the database cannot be reached.
        """
        with read_transaction(self._engine) as connection:
            return connection.scalar(select(_RUNS.c.not_applied).where(_RUNS.c.run_id == run_id))


class SqlRecordedRuns:
    """Implements `reconciliation.ports.run_ledger.RecordedRuns`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recorded(self, run_ids: Sequence[UUID]) -> set[UUID]:
        """Return those that were recorded as complete; an incomplete one is worth another attempt.

        Raises:
            StorageError: the database cannot be reached.
        """
        complete = RunRow.outcome != Outcome.INCOMPLETE.value
        with read_transaction(self._engine) as db:
            return set(db.scalars(select(RunRow.run_id).where(is_among(RunRow.run_id, run_ids, db), complete)))
