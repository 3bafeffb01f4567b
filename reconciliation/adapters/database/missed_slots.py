"""The dead man's check: accounts of the schedule for which no run has ended in time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, or_, select, update

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.announcements import announce_conditions
from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import AccountConditionRow, AccountHealthRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.breaks.account_health import Condition, after_missed_slot, is_overdue
from reconciliation.domain.breaks.policy import BreakPolicy

#: Accounts locked by one transaction: runs of these wait for it.
ACCOUNTS_PER_TRANSACTION = 500


@dataclass(frozen=True, kw_only=True)
class _Scheduled:
    account_id: str
    connection: str
    interval_seconds: float
    #: The last run, or when the account was put into the schedule; None: neither is known.
    last_sign: datetime | None


class SqlMissedSlots:
    """Finds accounts whose runs stopped, and queues the events of all conditions.

    Args:
        engine: of our own database.
        policy: the operator's rules.
        interval_seconds: of accounts that have none of their own.
    """

    def __init__(self, engine: Engine, *, policy: BreakPolicy, interval_seconds: float) -> None:
        self._engine = engine
        self._policy = policy
        self._interval_seconds = interval_seconds

    def check(self, now: datetime) -> int:
        """Note every account that is overdue at `now` and was not before; return how many.

        First the accounts are marked, a part at a time; then the events that speak of the marks are queued, in one
        transaction with the note that they were. A check that is killed in between is completed by the next one.

        Raises:
            StorageError: the database cannot be reached.
        """
        with read_transaction(self._engine) as connection:
            found = self._silent(connection, now)
        overdue = [
            account
            for account in found
            if account.last_sign is not None
            and is_overdue(account.last_sign, now, account.interval_seconds, self._policy)
        ]
        self._notice([account.account_id for account in found if account.last_sign is None], now)
        for start in range(0, len(overdue), ACCOUNTS_PER_TRANSACTION):
            self._mark(overdue[start : start + ACCOUNTS_PER_TRANSACTION], now)
        announce_conditions(self._engine, now, flood_cap=self._policy.flood_cap)
        return len(overdue)

    def _silent(self, connection: Connection, now: datetime) -> list[_Scheduled]:
        """Return the accounts that may be overdue, and those of which nothing is known."""
        interval = func.coalesce(AccountRow.interval_seconds, self._interval_seconds)
        shortest = connection.execute(select(func.min(interval)).where(AccountRow.enabled)).scalar()
        if shortest is None:
            return []
        signs = (AccountHealthRow.last_run_at, AccountRow.scheduled_at, AccountHealthRow.noticed_at)
        last_sign = func.coalesce(*signs, type_=AccountRow.scheduled_at.type)
        candidates = (
            select(AccountRow.account_id, AccountRow.connection, interval, *signs)
            .outerjoin(AccountHealthRow, AccountHealthRow.account_id == AccountRow.account_id)
            .outerjoin(
                AccountConditionRow,
                (AccountConditionRow.account_id == AccountRow.account_id)
                & (AccountConditionRow.condition == Condition.MISSED_SLOT.value)
                & AccountConditionRow.until.is_(None),
            )
            .where(AccountRow.enabled, AccountConditionRow.account_id.is_(None))
            .where(
                or_(
                    last_sign.is_(None),
                    last_sign < now - timedelta(seconds=shortest * self._policy.missed_slot_intervals),
                )
            )
            .order_by(AccountRow.account_id)
        )
        return [
            _Scheduled(
                account_id=account_id,
                connection=name,
                interval_seconds=seconds,
                # Disabled for a while and enabled again: `scheduled_at` counts, not the run before.
                last_sign=max((moment for moment in moments if moment is not None), default=None),
            )
            for account_id, name, seconds, *moments in connection.execute(candidates)
        ]

    def _notice(self, account_ids: Sequence[str], now: datetime) -> None:
        """Measure from now on an account that was registered, and never put into the schedule."""
        for start in range(0, len(account_ids), ACCOUNTS_PER_TRANSACTION):
            some = account_ids[start : start + ACCOUNTS_PER_TRANSACTION]
            with write_transaction(self._engine) as connection:
                lock_accounts(connection, some)
                noticed = is_among(AccountHealthRow.account_id, some, connection)
                connection.execute(update(AccountHealthRow).where(noticed).values(noticed_at=now))

    def _mark(self, overdue: Sequence[_Scheduled], now: datetime) -> None:
        with write_transaction(self._engine) as connection:
            locked = lock_accounts(connection, [account.account_id for account in overdue])
            after = {}
            for account in overdue:
                health = locked.health[account.account_id]
                last = health.last_run_at
                if last is not None and not is_overdue(last, now, account.interval_seconds, self._policy):
                    continue  # a run ended since
                marked = after_missed_slot(health, now, account.interval_seconds)
                after[account.account_id] = replace(marked, connection=health.connection or account.connection)
            save_accounts(connection, locked, after)
