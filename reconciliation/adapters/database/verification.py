"""The oracle over the ledger: every event is on its way, and every break is what its history says."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.ledger_rows import break_of, change_of
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow, OutboxRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.breaks.account_health import SYSTEM
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.breaks.verification import Verification, differs_from_history, event_again

#: Breaks of one read: their histories are in memory together.
BREAKS_PER_READ = 1_000
#: Events queued again in one call; the next call goes on.
MAX_REQUEUED_EVENTS = 1_000

_BREAKS = BreakRow.__table__


class SqlVerification:
    """Verifies the ledger. Any number may run at once, and workers meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def verify(self, now: datetime) -> Verification:
        """Look at everything that is live, queue lost events again, and queue an event that reports what is wrong.

        Raises:
            StorageError: the database cannot be reached.
        """
        count, differing = self._differing()
        found = Verification(
            breaks=count,
            requeued=self._requeue_lost(),
            differing=tuple(differing),
            without_runs=tuple(self._without_runs()),
        )
        event = found.event(now)
        if event is not None:
            with write_transaction(self._engine) as connection:
                system = lock_accounts(connection, [SYSTEM])
                system.queue([event])
                save_accounts(connection, system, system.health)
        return found

    def _differing(self) -> tuple[int, list[str]]:
        live = _BREAKS.c.state != BreakState.RESOLVED.value
        last, count = UUID(int=0), 0
        differing: list[str] = []
        while True:
            page = select(_BREAKS).where(live, _BREAKS.c.break_id > last).order_by(_BREAKS.c.break_id)
            # One snapshot for the breaks and their histories: a run in between is no fault.
            with read_transaction(self._engine) as connection:
                cases = [break_of(row) for row in connection.execute(page.limit(BREAKS_PER_READ)).mappings()]
                histories = _histories(connection, [case.break_id for case in cases])
            if not cases:
                return count, differing
            count, last = count + len(cases), cases[-1].break_id
            differing.extend(
                str(case.break_id) for case in cases if differs_from_history(case, histories[case.break_id])
            )

    def _requeue_lost(self) -> tuple[str, ...]:
        """Queue each event again that is not marked as published and does not wait; its id is the same as ever."""
        with read_transaction(self._engine) as connection:
            names = sorted({account_id for account_id, *_ in _lost(connection, None)})
        if not names:
            return ()
        with write_transaction(self._engine) as connection:
            locked = lock_accounts(connection, names)
            lost = _lost(connection, names)  # under the lock no run and no person is between history and outbox
            ids = sorted({break_id for _, break_id, _, _ in lost})
            rows = connection.execute(select(_BREAKS).where(is_among(_BREAKS.c.break_id, ids, connection)))
            cases: dict[UUID, Break] = {row["break_id"]: break_of(row) for row in rows.mappings()}
            histories = _histories(connection, ids)
            locked.queue(
                event_again(cases[break_id].key, histories[break_id], number, cases[break_id])
                for _, break_id, number, _ in lost
            )
            save_accounts(connection, locked, locked.health)
        return tuple(str(event_id) for *_, event_id in lost)

    def _without_runs(self) -> list[str]:
        scheduled = select(AccountRow.account_id).where(
            AccountRow.account_id == _BREAKS.c.account_id, AccountRow.enabled
        )
        published = _BREAKS.c.state.not_in([BreakState.RESOLVED.value, BreakState.SUSPECTED.value])
        wanted = select(_BREAKS.c.account_id).where(published, ~scheduled.exists()).distinct()
        with read_transaction(self._engine) as connection:
            return list(connection.scalars(wanted.order_by(_BREAKS.c.account_id)))


def _histories(connection: Connection, break_ids: Sequence[UUID]) -> dict[UUID, list[BreakChange]]:
    found: dict[UUID, list[BreakChange]] = defaultdict(list)
    if break_ids:
        table = BreakEventRow.__table__
        wanted = select(table).where(is_among(table.c.break_id, break_ids, connection))
        for row in connection.execute(wanted.order_by(table.c.break_id, table.c.number)).mappings():
            found[row["break_id"]].append(change_of(row))
    return found


def _lost(connection: Connection, account_ids: Sequence[str] | None) -> list[tuple[str, UUID, int, UUID]]:
    """Return (account, break, number, event id) of events that were not published and do not wait, oldest first."""
    waits = select(OutboxRow.id).where(OutboxRow.event_id == BreakEventRow.event_id).exists()
    wanted = (
        select(_BREAKS.c.account_id, BreakEventRow.break_id, BreakEventRow.number, BreakEventRow.event_id)
        .join(_BREAKS, _BREAKS.c.break_id == BreakEventRow.break_id)
        .where(BreakEventRow.event_id.is_not(None), BreakEventRow.published_at.is_(None), ~waits)
        .order_by(BreakEventRow.id)
        .limit(MAX_REQUEUED_EVENTS)
    )
    if account_ids is not None:
        wanted = wanted.where(is_among(_BREAKS.c.account_id, account_ids, connection))
    return [tuple(row) for row in connection.execute(wanted)]
