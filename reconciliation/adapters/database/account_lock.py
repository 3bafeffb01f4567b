"""The rows that serialise all that happens to the breaks of an account, and the events that are told of it.

Whoever changes breaks locks the standings of its accounts first, in the order of their ids: two workers wait for each
other, and never in a circle. On SQLite the write transaction itself is the lock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from reconciliation.adapters.database.bulk_rows import insert_missing_rows, insert_rows, is_among, update_rows
from reconciliation.adapters.database.ledger_rows import health_of, health_row
from reconciliation.adapters.database.tables.ledger import AccountHealthRow, OutboxRow
from reconciliation.domain.breaks.account_health import AccountEvent, AccountHealth
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.states import INTERNAL_EVENTS
from reconciliation.messages.break_events import account_event_payload, break_event_payload


@dataclass
class LockedAccount:
    """An account whose lock this transaction holds: its standing, and what is to be told."""

    health: AccountHealth
    sequence: int
    confirm_at: datetime | None
    outbox: list[dict[str, Any]] = field(default_factory=list)

    def queue_break_event(self, case: Break, change: BreakChange) -> None:
        """Note a change of a break for telling, unless its kind is told to nobody."""
        if change.kind not in INTERNAL_EVENTS:
            self._tell(break_event_payload(case, change, self.sequence + 1), change.at)

    def tell(self, events: Iterable[AccountEvent]) -> None:
        for event in events:
            self._tell(account_event_payload(event, self.sequence + 1), event.at)

    def _tell(self, payload: dict[str, Any], at: datetime) -> None:
        self.sequence += 1
        self.outbox.append(
            {
                "event_id": UUID(payload["event_id"]),
                "account_id": self.health.account_id,
                "sequence": self.sequence,
                "kind": payload["kind"],
                "payload": payload,
                "created_at": at,
            }
        )


def lock_accounts(connection: Connection, account_ids: Iterable[str]) -> dict[str, LockedAccount]:
    """Lock the accounts and return how they stand; one that was never seen stands at the beginning."""
    ordered = sorted(set(account_ids))
    table = AccountHealthRow.__table__
    wanted = is_among(table.c.account_id, ordered, connection)
    known = set(connection.scalars(select(table.c.account_id).where(wanted)))
    # Before any row is locked: whoever waits for another's insert holds only what comes before it.
    new = [
        {**health_row(AccountHealth(account_id=account_id)), "sequence": 0}
        for account_id in ordered
        if account_id not in known
    ]
    if new:
        insert_missing_rows(connection, AccountHealthRow, new)
    rows = connection.execute(select(table).where(wanted).order_by(table.c.account_id).with_for_update()).mappings()
    return {
        row["account_id"]: LockedAccount(health=health_of(row), sequence=row["sequence"], confirm_at=row["confirm_at"])
        for row in rows
    }


def save_accounts(connection: Connection, accounts: Sequence[LockedAccount]) -> None:
    """Write the standings and what is to be told, in two statements."""
    changes = [
        {**health_row(account.health), "sequence": account.sequence, "confirm_at": account.confirm_at}
        for account in accounts
    ]
    update_rows(connection, AccountHealthRow, changes)
    insert_rows(connection, OutboxRow, [row for account in accounts for row in account.outbox])
