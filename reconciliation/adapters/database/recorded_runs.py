"""Which runs the ledger holds: asked before an attempt is repeated whose first one may have been recorded."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Engine, select

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.membership import is_among
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.domain.model.models import Outcome


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
