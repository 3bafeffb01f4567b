"""The rows that serialise all that happens to the breaks of an account, and the events that are published of it.

A transaction that changes breaks locks the health of its accounts first, in the order of their ids, so that two
transactions wait for each other and never deadlock. On SQLite the write transaction itself is the lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, select, tuple_

from reconciliation.adapters.database.bulk_rows import (
    insert_missing_rows,
    insert_rows,
    is_among,
    update_rows,
    upsert_rows,
)
from reconciliation.adapters.database.ledger_rows import condition_of, condition_row, health_of, health_row
from reconciliation.adapters.database.tables.ledger import AccountConditionRow, AccountHealthRow, OutboxRow
from reconciliation.domain.breaks.account_health import AccountHealth, Condition, ConditionState
from reconciliation.domain.breaks.apply_runs import Event
from reconciliation.messages.break_events import event_payload


@dataclass
class LockedAccounts:
    """Accounts whose locks this transaction holds, and what is queued for publishing."""

    #: As they were when they were locked.
    health: Mapping[str, AccountHealth]
    #: The number of each account's last event.
    sequences: dict[str, int]
    outbox: list[dict[str, Any]] = field(default_factory=list)

    def queue(self, events: Iterable[Event]) -> None:
        """Give each event the next number of its account, and queue it."""
        for event in events:
            self.sequences[event.account_id] += 1
            sequence = self.sequences[event.account_id]
            payload = event_payload(event, sequence)
            self.outbox.append(
                {
                    "event_id": UUID(payload["event_id"]),
                    "account_id": event.account_id,
                    "sequence": sequence,
                    "kind": payload["kind"],
                    "payload": payload,
                    "created_at": event.at,
                }
            )


def lock_accounts(connection: Connection, account_ids: Iterable[str]) -> LockedAccounts:
    """Lock the accounts and return their health; an account that was never seen is added first."""
    ordered = sorted(set(account_ids))
    table = AccountHealthRow.__table__
    wanted = is_among(table.c.account_id, ordered, connection)
    known = set(connection.scalars(select(table.c.account_id).where(wanted)))
    # Before any row is locked: a transaction that waits for another's insert holds only what comes before it.
    new = [
        {**health_row(AccountHealth(account_id=account_id)), "sequence": 0}
        for account_id in ordered
        if account_id not in known
    ]
    if new:
        insert_missing_rows(connection, AccountHealthRow, new)
    locked = select(table).where(wanted).order_by(table.c.account_id).with_for_update()
    rows = connection.execute(locked).mappings().all()
    conditions = _conditions(connection, [row["account_id"] for row in rows if row["has_conditions"]])
    return LockedAccounts(
        health={row["account_id"]: health_of(row, conditions.get(row["account_id"], {})) for row in rows},
        sequences={row["account_id"]: row["sequence"] for row in rows},
    )


def save_accounts(connection: Connection, locked: LockedAccounts, after: Mapping[str, AccountHealth]) -> None:
    """Write how the accounts stand now, and the events."""
    rows = [{**health_row(health), "sequence": locked.sequences[name]} for name, health in after.items()]
    update_rows(connection, AccountHealthRow, rows)
    changed = [
        (health, condition)
        for name, health in after.items()
        for condition in {**locked.health[name].conditions, **health.conditions}
        if health.conditions.get(condition) != locked.health[name].conditions.get(condition)
    ]
    begun = [condition_row(health, condition) for health, condition in changed if condition in health.conditions]
    upsert_rows(connection, AccountConditionRow, begun)
    ended = [(health.account_id, kind.value) for health, kind in changed if kind not in health.conditions]
    if ended:
        key = tuple_(AccountConditionRow.account_id, AccountConditionRow.condition)
        connection.execute(delete(AccountConditionRow).where(key.in_(ended)))
    insert_rows(connection, OutboxRow, locked.outbox)


def _conditions(connection: Connection, account_ids: list[str]) -> dict[str, dict[Condition, ConditionState]]:
    found: dict[str, dict[Condition, ConditionState]] = defaultdict(dict)
    if account_ids:
        table = AccountConditionRow.__table__
        rows = connection.execute(select(table).where(is_among(table.c.account_id, account_ids, connection)))
        for row in rows.mappings():
            found[row["account_id"]][Condition(row["condition"])] = condition_of(row)
    return found
