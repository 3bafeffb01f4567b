"""The condition `stream_lag` of the system: what the last look found, and the events of its beginning and end."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.ledger_rows import condition_of
from reconciliation.adapters.database.tables.ledger import AccountConditionRow
from reconciliation.domain.breaks.account_health import SYSTEM, Condition, ConditionState
from reconciliation.domain.breaks.stream_lag import StreamLag, after_look


class SqlStreamLag:
    """Notes which consumer groups are behind, and queues the events that say so.

    Args:
        engine: of our own database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def check(self, lag: StreamLag, now: datetime) -> bool:
        """Note what changed since the last look; return whether an event was queued.

        Raises:
            StorageError: the database cannot be reached; nothing was changed.
        """
        with read_transaction(self._engine) as connection:
            known = _known(connection)
        if after_look(known, lag, now)[0] == known:
            return False
        with write_transaction(self._engine) as connection:
            locked = lock_accounts(connection, [SYSTEM])
            system = locked.health[SYSTEM]
            state, event = after_look(system.conditions.get(Condition.STREAM_LAG), lag, now)
            conditions = dict(system.conditions)
            conditions.pop(Condition.STREAM_LAG, None)
            if state is not None:
                conditions[Condition.STREAM_LAG] = state
            locked.queue([] if event is None else [event])
            save_accounts(connection, locked, {SYSTEM: replace(system, conditions=conditions)})
        return event is not None


def _known(connection: Connection) -> ConditionState | None:
    table = AccountConditionRow.__table__
    wanted = select(table).where(table.c.account_id == SYSTEM, table.c.condition == Condition.STREAM_LAG.value)
    row = connection.execute(wanted).mappings().first()
    return None if row is None else condition_of(row)
