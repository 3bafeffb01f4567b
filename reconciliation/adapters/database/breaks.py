"""Breaks as people work them: found, shown with their history, and changed by hand."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from reconciliation.adapters.database.account_lock import LockedAccounts, lock_accounts, save_accounts
from reconciliation.adapters.database.bulk_rows import insert_rows, upsert_rows
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.ledger_rows import break_of, break_row, change_of, change_row
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow, DiscrepancyRow
from reconciliation.adapters.database.tables.registry import AccountLabelRow, AccountRow
from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakEvent, is_published
from reconciliation.domain.breaks.states import BreakState
from reconciliation.errors import InvalidInputError
from reconciliation.messages.break_events import event_id
from reconciliation.ports.breaks import BreakFile, BreakFilter, Sighting

#: The last sightings that are shown with a break.
SIGHTINGS_SHOWN = 10
#: A beginning of an id that is shorter than this is more likely a slip.
SHORTEST_ID = 4
_ID_DIGITS = 32

_TABLE = BreakRow.__table__
#: States of breaks that are not resolved.
LIVE = [state.value for state in BreakState if state is not BreakState.RESOLVED]


class SqlBreaks:
    """Reads and changes breaks in our own tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def related(self, case: Break) -> list[Break]:
        """Return the other breaks of the account that are not resolved and are about the same holding, or its cash.

        Raises:
            StorageError: the database cannot be reached.
        """
        same = (_TABLE.c.account_id == case.key.account_id, _TABLE.c.symbol == (case.key.symbol or ""))
        others = select(_TABLE).where(*same, _TABLE.c.state.in_(LIVE), _TABLE.c.break_id != case.break_id)
        with read_transaction(self._engine) as connection:
            rows = connection.execute(others.order_by(_TABLE.c.type, _TABLE.c.break_id)).mappings()
            return [break_of(row) for row in rows]

    def show(self, break_id: str) -> BreakFile:
        """Return one break with its history and last sightings, by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no break, or more than one, has such an id.
            StorageError: the database cannot be reached.
        """
        with read_transaction(self._engine) as connection:
            case = find_by_id(connection, break_id)
            events = select(BreakEventRow.__table__).where(BreakEventRow.break_id == case.break_id)
            history = connection.execute(events.order_by(BreakEventRow.number)).mappings().all()
            seen = connection.execute(
                select(
                    DiscrepancyRow.run_id,
                    DiscrepancyRow.timestamp,
                    DiscrepancyRow.local_value,
                    DiscrepancyRow.broker_value,
                )
                .where(DiscrepancyRow.break_id == case.break_id)
                .order_by(DiscrepancyRow.id.desc())
                .limit(SIGHTINGS_SHOWN)
            ).mappings()
            sightings = tuple(Sighting(**row) for row in seen)
        return BreakFile(case=case, history=tuple(change_of(row) for row in history), sightings=sightings)

    def act(self, break_id: str, action: BreakAction) -> Break:
        """Change one break by hand, in the same order of locks as the runs; the event waits in the outbox.

        Raises:
            InvalidInputError: no break, or more than one, has such an id.
            BreakRefusedError: the break's state does not allow it.
            StorageError: the database cannot be reached.
        """
        with write_transaction(self._engine) as connection:
            account_id = find_by_id(connection, break_id).key.account_id
            locked = lock_accounts(connection, [account_id])
            case, change = act(find_by_id(connection, break_id), action)
            change_breaks(connection, locked, [(case, change)])
            save_accounts(connection, locked, locked.health)
        return case


def change_breaks(connection: Connection, locked: LockedAccounts, changes: Sequence[tuple[Break, BreakChange]]) -> None:
    """Write breaks with the entries of their histories, and queue the events; the accounts are locked."""
    rows = []
    for case, change in changes:
        event = BreakEvent(case=case, change=change) if is_published(case, change) else None
        rows.append(change_row(case.break_id, change, None if event is None else event_id(event)))
        locked.queue([] if event is None else [event])
    upsert_rows(connection, BreakRow, [break_row(case) for case, _ in changes])
    insert_rows(connection, BreakEventRow, rows)


def conditions(wanted: BreakFilter) -> list[ColumnElement[bool]]:
    """Return what the rows of the wanted breaks have in common."""
    columns = _TABLE.c
    found: list[ColumnElement[bool]] = [columns.state.in_([state.value for state in wanted.states] or LIVE)]
    for column, values in (
        (columns.account_id, wanted.account_ids),
        (columns.symbol, wanted.symbols),
        (columns.asset_type, [kind.value for kind in wanted.asset_types]),
        (columns.type, [kind.value for kind in wanted.types]),
        (columns.severity, [severity.value for severity in wanted.severities]),
        (columns.assignee, wanted.assignees),
        (columns.cause, wanted.causes),
        (columns.ratio, wanted.ratios),
        (columns.value_currency, wanted.value_currencies),
    ):
        if values:
            found.append(column.in_(values))
    if wanted.connections:
        connected = select(AccountRow.account_id).where(AccountRow.connection.in_(wanted.connections))
        found.append(columns.account_id.in_(connected))
    for label in wanted.labels:
        labelled = select(AccountLabelRow.account_id).where(AccountLabelRow.label == label)
        found.append(columns.account_id.in_(labelled))
    if wanted.symbol_part:
        found.append(func.lower(columns.symbol).contains(wanted.symbol_part.lower(), autoescape=True))
    if wanted.unassigned:
        found.append(columns.assignee.is_(None))
    if wanted.min_value is not None:
        found.append(columns.value_order >= float(wanted.min_value))
    if wanted.first_seen_before is not None:
        found.append(columns.first_seen_at < wanted.first_seen_before)
    if wanted.first_seen_since is not None:
        found.append(columns.first_seen_at >= wanted.first_seen_since)
    return found


def find_by_id(connection: Connection, break_id: str) -> Break:
    """Return a break by its id or a clear beginning of it.

    Raises:
        InvalidInputError: no break, or more than one, has such an id.
    """
    first, last = id_range(break_id, "break")
    rows = connection.execute(select(_TABLE).where(_TABLE.c.break_id.between(first, last)).limit(2)).mappings().all()
    if not rows:
        raise InvalidInputError(f"there is no break {break_id!r}: `reconcile breaks list` shows those that are open")
    if len(rows) > 1:
        raise InvalidInputError(f"more than one break begins with {break_id!r}: write more of its id")
    return break_of(rows[0])


def id_range(text: str, what: str) -> tuple[UUID, UUID]:
    """Return the first and the last id that begin with `text`.

    Raises:
        InvalidInputError: it is not the beginning of an id, or too short.
    """
    digits = text.replace("-", "").lower()
    if not SHORTEST_ID <= len(digits) <= _ID_DIGITS or set(digits) - set("0123456789abcdef"):
        raise InvalidInputError(f"{text!r} is not the id of a {what}, nor its first {SHORTEST_ID} digits or more")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
