"""The outbox: events that are committed and wait to be published, in the order of each account.

A relay that holds an account's first event holds the account. On PostgreSQL any number of relays share the work and
never overtake each other; on SQLite the write lock lets one relay work at a time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, select, update

from reconciliation.adapters.database.bulk_rows import is_among
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import BreakEventRow, OutboxRow
from reconciliation.domain.model.runs import utc_now
from reconciliation.ports.publishing import WaitingEvent


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """How much waits, and since when."""

    events: int
    oldest_at: datetime | None


class SqlOutbox:
    """Implements `reconciliation.ports.publishing.Outbox`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def waiting(self, limit_events: int, account_ids: Sequence[str] | None = None) -> Iterator[Sequence[WaitingEvent]]:
        """Hold waiting events in a transaction, and remove them at its end."""
        if not has_events(self._engine):
            yield []
            return
        with write_transaction(self._engine) as connection:
            events = take_events(connection, limit_events=limit_events, account_ids=account_ids)
            yield events
            forget_events(connection, events)


def take_events(
    connection: Connection, *, limit_events: int, account_ids: Sequence[str] | None = None
) -> list[WaitingEvent]:
    """Lock and return the oldest events of accounts that no other relay has; of each account without a gap.

    Args:
        connection: of the transaction in which they are published and then forgotten.
        limit_events: the most that are returned.
        account_ids: of these accounts only; None: of all.
    """
    table = OutboxRow.__table__
    oldest = select(table.c.id, table.c.account_id).order_by(table.c.id).limit(limit_events)
    if account_ids is not None:
        oldest = oldest.where(table.c.account_id.in_(account_ids))
    rows = connection.execute(oldest).all()
    heads: dict[str, int] = {}
    for row_id, account_id in rows:
        heads.setdefault(account_id, row_id)
    if not heads:
        return []
    held = select(table.c.account_id).where(table.c.id.in_(heads.values())).with_for_update(skip_locked=True)
    mine = connection.execute(held).scalars().all()
    if not mine:
        return []
    found = select(table).where(table.c.account_id.in_(mine)).order_by(table.c.id).limit(limit_events)
    return [
        WaitingEvent(
            id=row["id"],
            event_id=row["event_id"],
            account_id=row["account_id"],
            kind=row["kind"],
            payload=row["payload"],
        )
        for row in connection.execute(found).mappings()
    ]


def forget_events(connection: Connection, events: Sequence[WaitingEvent]) -> None:
    """Remove events that were published, and note it in the history of their breaks."""
    if not events:
        return
    connection.execute(delete(OutboxRow).where(OutboxRow.id.in_([event.id for event in events])))
    ids = [event.event_id for event in events]
    waiting = (is_among(BreakEventRow.event_id, ids, connection), BreakEventRow.published_at.is_(None))
    connection.execute(update(BreakEventRow).where(*waiting).values(published_at=utc_now()))


def backlog(engine: Engine) -> Backlog:
    """Return how much waits.

    Raises:
        StorageError: the database cannot be reached.
    """
    with read_transaction(engine) as connection:
        count, oldest = connection.execute(select(func.count(OutboxRow.id), func.min(OutboxRow.created_at))).one()
    return Backlog(events=count, oldest_at=oldest)


def has_events(engine: Engine) -> bool:
    """Say whether anything waits, without the write lock that `take_events` needs on SQLite."""
    with read_transaction(engine) as connection:
        return connection.execute(select(OutboxRow.id).limit(1)).first() is not None
