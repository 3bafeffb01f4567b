"""How long ago each account's last complete run was: what a health check looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, case, func, select

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import AccountHealthRow, RunRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.model.models import Outcome


@dataclass(frozen=True, kw_only=True)
class RunAge:
    """An enabled account, and when it was last known."""

    account_id: str
    interval_seconds: float
    #: The last complete run; without one, when the account was put into the schedule. None: it is in no schedule yet.
    completed_at: datetime | None


class SqlRunAges:
    """Finds the accounts that are not reconciled any more.

    Args:
        engine: of our own database.
        interval_seconds: of accounts that have none of their own.
    """

    def __init__(self, engine: Engine, *, interval_seconds: float) -> None:
        self._engine = engine
        self._interval_seconds = interval_seconds

    def older_than(self, now: datetime, age: timedelta) -> Sequence[RunAge]:
        """Return the enabled accounts whose last complete run is older, the oldest first, and those without any.

        Raises:
            StorageError: the database cannot be reached.
        """
        complete = (
            select(func.max(RunRow.timestamp))
            .where(RunRow.account_id == AccountRow.account_id, RunRow.outcome != Outcome.INCOMPLETE.value)
            .scalar_subquery()
        )
        # The latest run is complete unless runs failed since: only then the runs themselves are looked at.
        last = case((AccountHealthRow.failed_runs == 0, AccountHealthRow.last_run_at), else_=complete)
        completed_at = func.coalesce(last, AccountRow.scheduled_at, type_=RunRow.timestamp.type).label("completed_at")
        oldest = now - age
        interval = func.coalesce(AccountRow.interval_seconds, self._interval_seconds)
        query = (
            select(AccountRow.account_id, interval, completed_at)
            .outerjoin(AccountHealthRow, AccountHealthRow.account_id == AccountRow.account_id)
            .where(AccountRow.enabled)
            # Disabled for a while and enabled again: `scheduled_at` counts, not the run before.
            .where(completed_at.is_(None) | (completed_at < oldest))
            .where(AccountRow.scheduled_at.is_(None) | (AccountRow.scheduled_at < oldest))
            .order_by(completed_at.is_(None), completed_at, AccountRow.account_id)
        )
        with read_transaction(self._engine) as db:
            rows = db.execute(query).all()
        return [RunAge(account_id=row[0], interval_seconds=row[1], completed_at=row[2]) for row in rows]
