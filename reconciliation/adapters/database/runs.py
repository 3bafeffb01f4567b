"""Recorded runs: to look at, and to ask before an attempt is repeated whose first one may have been recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from reconciliation.adapters.database.breaks import id_range
from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import DiscrepancyRow, RunRow
from reconciliation.domain.model.models import Outcome, Trigger
from reconciliation.errors import InvalidInputError

_RUNS = RunRow.__table__
_FINDINGS = DiscrepancyRow.__table__


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs are asked for. None: any."""

    account_id: str | None = None
    outcome: Outcome | None = None
    trigger: Trigger | None = None
    since: datetime | None = None


class SqlRuns:
    """Reads runs from our own tables; a run is the mapping of its row."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, wanted: RunFilter, *, limit: int) -> list[Mapping[str, Any]]:
        """Return runs, the newest first.

        Raises:
            StorageError: the database cannot be reached.
        """
        statement = select(_RUNS).order_by(_RUNS.c.timestamp.desc()).limit(limit)
        if wanted.account_id is not None:
            statement = statement.where(_RUNS.c.account_id == wanted.account_id)
        if wanted.outcome is not None:
            statement = statement.where(_RUNS.c.outcome == wanted.outcome.value)
        if wanted.trigger is not None:
            statement = statement.where(_RUNS.c.trigger == wanted.trigger.value)
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
