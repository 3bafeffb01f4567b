"""Confirmation runs that the database waits for: the truth behind the due-queue's entries."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import AccountHealthRow
from reconciliation.domain.breaks.apply_runs import Confirmation


class SqlWantedConfirmations:
    """Implements `reconciliation.ports.run_ledger.WantedConfirmations`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def overdue(self, before: datetime, limit: int) -> Sequence[Confirmation]:
        """Return the confirmations that should have been made before a time, the oldest first.

        Raises:
            StorageError: the database cannot be reached.
        """
        asked = (
            select(AccountHealthRow.account_id, AccountHealthRow.confirm_at)
            .where(AccountHealthRow.confirm_at < before)
            .order_by(AccountHealthRow.confirm_at)
            .limit(limit)
        )
        with read_transaction(self._engine) as connection:
            return [Confirmation(account_id=name, due_at=at) for name, at in connection.execute(asked) if at]
