"""The dead man's check: accounts of the schedule for which no run has ended in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Text, cast, func, or_, select

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import AccountHealthRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.breaks.account_health import SYSTEM, Condition, after_missed_slot, after_missed_slots

#: Accounts locked by one transaction: runs of these wait for it.
ACCOUNTS_PER_TRANSACTION = 500


@dataclass(frozen=True, kw_only=True)
class _Overdue:
    account_id: str
    interval_seconds: float


class SqlMissedSlots:
    """Finds accounts whose runs stopped, and notes the events to tell.

    Args:
        engine: of our own database.
        interval_seconds: of accounts that have none of their own.
        missed_slot_intervals: an account is overdue after so many of its intervals.
        flood_cap: more than this at once are one event, under the empty account id.
    """

    def __init__(
        self, engine: Engine, *, interval_seconds: float, missed_slot_intervals: float, flood_cap: int
    ) -> None:
        self._engine = engine
        self._interval_seconds = interval_seconds
        self._intervals = missed_slot_intervals
        self._flood_cap = flood_cap

    def check(self, now: datetime) -> int:
        """Note every account that is overdue at `now` and was not before; return how many.

        Raises:
            StorageError: the database cannot be reached.
        """
        with read_transaction(self._engine) as connection:
            overdue = self._overdue(connection, now)
            was_told = _system_was_told(connection)
        together = len(overdue) > self._flood_cap
        for start in range(0, len(overdue), ACCOUNTS_PER_TRANSACTION):
            self._note(overdue[start : start + ACCOUNTS_PER_TRANSACTION], now, together=together)
        if together or was_told:
            self._note_system([account.account_id for account in overdue] if together else [], now)
        return len(overdue)

    def _overdue(self, connection: Connection, now: datetime) -> list[_Overdue]:
        interval = func.coalesce(AccountRow.interval_seconds, self._interval_seconds)
        shortest = connection.execute(select(func.min(interval)).where(AccountRow.enabled)).scalar()
        if shortest is None:
            return []
        # Disabled for a while and enabled again: `scheduled_at` counts, not the run before.
        last_sign = func.coalesce(
            AccountHealthRow.last_run_at, AccountRow.scheduled_at, type_=AccountRow.scheduled_at.type
        )
        candidates = (
            select(AccountRow.account_id, interval, AccountHealthRow.last_run_at, AccountRow.scheduled_at)
            .outerjoin(AccountHealthRow, AccountHealthRow.account_id == AccountRow.account_id)
            .where(AccountRow.enabled, AccountRow.scheduled_at.is_not(None))
            .where(last_sign < now - timedelta(seconds=shortest * self._intervals))
            .where(
                or_(
                    AccountHealthRow.account_id.is_(None),
                    cast(AccountHealthRow.conditions, Text).not_like("%missed_slot%"),
                )
            )
            .order_by(AccountRow.account_id)
        )
        found = []
        for account_id, seconds, last_run_at, scheduled_at in connection.execute(candidates):
            last = max(moment for moment in (last_run_at, scheduled_at) if moment is not None)
            if now - last > timedelta(seconds=seconds * self._intervals):
                found.append(_Overdue(account_id=account_id, interval_seconds=seconds))
        return found

    def _note(self, overdue: Sequence[_Overdue], now: datetime, *, together: bool) -> None:
        with write_transaction(self._engine) as connection:
            accounts = lock_accounts(connection, [account.account_id for account in overdue])
            for account in overdue:
                locked = accounts[account.account_id]
                last = locked.health.last_run_at
                if last is not None and now - last <= timedelta(seconds=account.interval_seconds * self._intervals):
                    continue  # a run ended since
                locked.health, events = after_missed_slot(
                    locked.health, now, account.interval_seconds, together=together
                )
                locked.tell(events)
            save_accounts(connection, list(accounts.values()))

    def _note_system(self, missed: Sequence[str], now: datetime) -> None:
        with write_transaction(self._engine) as connection:
            locked = lock_accounts(connection, [SYSTEM])[SYSTEM]
            left = (
                select(AccountHealthRow.account_id)
                .join(AccountRow, AccountRow.account_id == AccountHealthRow.account_id)
                .where(AccountRow.enabled)
                .where(cast(AccountHealthRow.conditions, Text).like(f"%{Condition.MISSED_TOGETHER.value}%"))
                .limit(1)
            )
            some_left = connection.execute(left).first() is not None
            locked.health, events = after_missed_slots(locked.health, now, missed=missed, some_left=some_left)
            locked.tell(events)
            save_accounts(connection, [locked])


def _system_was_told(connection: Connection) -> bool:
    published = cast(AccountHealthRow.conditions, Text).like(f"%{Condition.MISSED_TOGETHER.value}%")
    found = select(AccountHealthRow.account_id).where(AccountHealthRow.account_id == SYSTEM, published)
    return connection.execute(found).first() is not None
