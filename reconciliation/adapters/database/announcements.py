"""Conditions of accounts become events: gathered here, decided by `domain.breaks.announcements`, written here."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, case, delete, func, insert, select, tuple_, update

from reconciliation.adapters.database.account_lock import lock_accounts, save_accounts
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import AccountConditionRow, AccountHealthRow, SharedConditionRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.breaks.account_health import SYSTEM, AccountEvent, AccountHealth, Condition
from reconciliation.domain.breaks.announcements import (
    LEFTOVER_SECONDS,
    SAMPLE_ACCOUNTS,
    WHOLE_SYSTEM,
    Announcement,
    SharedCondition,
    Tally,
    announce,
    event_of_account,
)

_TABLE = AccountConditionRow.__table__
_Pairs = Iterable[tuple[Condition, str]]


def announce_conditions(engine: Engine, now: datetime, *, flood_cap: int) -> int:
    """Queue the events that are due, with what is remembered of them, in one transaction; return how many.

    Raises:
        StorageError: the database cannot be reached; nothing was changed.
    """
    with read_transaction(engine) as connection:
        pending = connection.execute(select(_TABLE.c.account_id).where(_is_pending(now)).limit(1)).first()
        shared = connection.execute(select(SharedConditionRow.condition).limit(1)).first()
    if pending is None and shared is None:
        return 0
    with write_transaction(engine) as connection:
        # One at a time. It comes before all accounts in the order of locks, and no run takes it.
        system = lock_accounts(connection, [SYSTEM])
        decided = announce(_tallies(connection, now), _shared(connection), now, flood_cap=flood_cap)
        alone = _announce_alone(connection, decided, now)
        system.queue(decided.events)
        save_accounts(connection, system, system.health)
        _absorb(connection, decided.absorbed, now)
        _save_shared(connection, decided, now)
    return len(decided.events) + alone


def _is_pending(now: datetime) -> ColumnElement[bool]:
    return _TABLE.c.announce_at <= now


def _tallies(connection: Connection, now: datetime) -> list[Tally]:
    pending = func.sum(case((_is_pending(now), 1), else_=0))
    live = func.sum(case((_TABLE.c.until.is_(None) & AccountRow.enabled, 1), else_=0))
    counted = (
        select(_TABLE.c.condition, _TABLE.c.connection, pending, live, func.min(_TABLE.c.since))
        .outerjoin(AccountRow, AccountRow.account_id == _TABLE.c.account_id)
        .group_by(_TABLE.c.condition, _TABLE.c.connection)
    )
    rows = connection.execute(counted).all()
    failing = _failing(connection) if any(row[0] == Condition.COULD_NOT_RUN.value and row[2] for row in rows) else {}
    some = _samples(connection, now)
    return [
        Tally(
            condition=Condition(condition),
            connection=name,
            pending=pending,
            live=live,
            failing=failing.get(name, 0) if condition == Condition.COULD_NOT_RUN.value else 0,
            since=since,
            some=tuple(account_id for account_id, _ in some[condition, name]),
            example=next((details for _, details in some[condition, name]), {}),
        )
        for condition, name, pending, live, since in rows
    ]


def _failing(connection: Connection) -> dict[str, int]:
    table = AccountHealthRow.__table__
    name = func.coalesce(table.c.connection, "")
    counted = select(name, func.count()).where(table.c.failed_runs > 0).group_by(name)
    return dict(connection.execute(counted).all())


def _samples(connection: Connection, now: datetime) -> dict[tuple[str, str], list[tuple[str, dict[str, Any]]]]:
    """Return a few pending accounts of each condition and connection, with what is known of them."""
    order = func.row_number().over(partition_by=(_TABLE.c.condition, _TABLE.c.connection), order_by=_TABLE.c.account_id)
    columns = (_TABLE.c.condition, _TABLE.c.connection, _TABLE.c.account_id, _TABLE.c.details)
    numbered = select(*columns, order.label("place")).where(_is_pending(now)).subquery()
    wanted = select(numbered).where(numbered.c.place <= SAMPLE_ACCOUNTS).order_by(numbered.c.place)
    found: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for row in connection.execute(wanted).mappings():
        found[row["condition"], row["connection"]].append((row["account_id"], row["details"]))
    return found


def _shared(connection: Connection) -> list[SharedCondition]:
    rows = connection.execute(select(SharedConditionRow.__table__)).mappings()
    return [SharedCondition(**{**row, "condition": Condition(row["condition"])}) for row in rows]


def _announce_alone(connection: Connection, decided: Announcement, now: datetime) -> int:
    pairs = [(condition.value, name) for condition, name in decided.alone]
    if not pairs:
        return 0
    of_these = tuple_(_TABLE.c.condition, _TABLE.c.connection).in_(pairs)
    names = connection.scalars(select(_TABLE.c.account_id).where(of_these, _is_pending(now))).all()
    locked = lock_accounts(connection, names)
    conditions = {condition for condition, _ in decided.alone}
    parts = [_announced(health, conditions, now) for health in locked.health.values()]
    events = [event for _, some in parts for event in some]
    locked.queue(events)
    save_accounts(connection, locked, {health.account_id: health for health, _ in parts})
    return len(events)


def _announced(
    health: AccountHealth, conditions: set[Condition], now: datetime
) -> tuple[AccountHealth, list[AccountEvent]]:
    after, events = dict(health.conditions), []
    for condition, state in health.conditions.items():
        if condition not in conditions or state.announce_at is None or state.announce_at > now:
            continue
        events.append(event_of_account(health.account_id, condition, state, now))
        del after[condition]
        if state.until is None:
            after[condition] = replace(state, announce_at=None, is_shared=False)
    return replace(health, conditions=after), events


def _absorb(connection: Connection, pairs: _Pairs, now: datetime) -> None:
    """Note that a shared event speaks of these accounts. Rows that a run holds now are left to the next call."""
    for condition, name in pairs:
        pending = (_TABLE.c.condition == condition.value, _TABLE.c.connection == name, _is_pending(now))
        over = _free(*pending, _TABLE.c.until.is_not(None))
        connection.execute(delete(AccountConditionRow).where(over))
        connection.execute(update(AccountConditionRow).where(_free(*pending)).values(announce_at=None, is_shared=True))


def _save_shared(connection: Connection, decided: Announcement, now: datetime) -> None:
    for condition, scope in decided.ended:
        left = [_TABLE.c.condition == condition.value, _TABLE.c.is_shared]
        if scope == WHOLE_SYSTEM:
            still = [known.scope for known in decided.shared if known.condition is condition]
            left.append(_TABLE.c.connection.not_in(still))
        else:
            left.append(_TABLE.c.connection == scope)
        due_at = now + timedelta(seconds=LEFTOVER_SECONDS)
        connection.execute(update(AccountConditionRow).where(_free(*left)).values(announce_at=due_at))
    connection.execute(delete(SharedConditionRow))
    rows = [{**asdict(known), "condition": known.condition.value} for known in decided.shared]
    if rows:
        connection.execute(insert(SharedConditionRow), rows)


def _free(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that a row is among these and is not locked: to wait for it could deadlock."""
    key = (_TABLE.c.account_id, _TABLE.c.condition)
    return tuple_(*key).in_(select(*key).where(*conditions).with_for_update(skip_locked=True))
