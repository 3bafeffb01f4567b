"""Pages of breaks in any offered order. A page ends with a cursor, from which the next one goes on (keyset)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, and_, case, func, or_, select

from reconciliation.adapters.database.breaks import conditions
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.ledger_rows import break_of
from reconciliation.adapters.database.tables.ledger import BreakRow
from reconciliation.domain.model.models import DiscrepancySeverity
from reconciliation.errors import InvalidInputError
from reconciliation.ports.breaks import BreakFilter, BreakPage, BreakSort, SortKey

_TABLE = BreakRow.__table__
_COLUMNS = _TABLE.c
_SEVERITY = case({severity.value: rank for rank, severity in enumerate(DiscrepancySeverity)}, value=_COLUMNS.severity)

#: What breaks are ordered by. None of them is ever NULL.
_SORTS: Mapping[BreakSort, ColumnElement[Any]] = {
    BreakSort.SEVERITY: _SEVERITY,
    BreakSort.VALUE: _COLUMNS.value_order,
    BreakSort.FIRST_SEEN_AT: _COLUMNS.first_seen_at,
    BreakSort.LAST_SEEN_AT: _COLUMNS.last_seen_at,
    BreakSort.ACCOUNT: _COLUMNS.account_id,
    BreakSort.SYMBOL: _COLUMNS.symbol,
    BreakSort.TYPE: _COLUMNS.type,
    BreakSort.STATE: _COLUMNS.state,
    BreakSort.ASSIGNEE: func.coalesce(_COLUMNS.assignee, ""),
}


class SqlBreakPages:
    """Reads breaks page by page."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(
        self, wanted: BreakFilter, *, sort: Sequence[SortKey], limit: int | None, after: str | None = None
    ) -> BreakPage:
        """Return the breaks that come after a cursor.

        Args:
            wanted: which breaks.
            sort: their order; the id of the break decides between equals.
            limit: the largest number of breaks; None: all.
            after: the cursor of the page before, which had the same order.

        Raises:
            InvalidInputError: the cursor is not one of this order.
            StorageError: the database cannot be reached.
        """
        keys = [(_SORTS[key.field], key.descending) for key in sort] + [(_COLUMNS.break_id, False)]
        ordered = [column.desc() if descending else column.asc() for column, descending in keys]
        labelled = [column.label(f"sort_{number}") for number, (column, _) in enumerate(keys)]
        statement = select(_TABLE, *labelled).where(*conditions(wanted)).order_by(*ordered)
        if after is not None:
            statement = statement.where(_after(keys, _decoded(after, sort)))
        with read_transaction(self._engine) as connection:
            # One more than is returned: it says whether there is a next page.
            rows = connection.execute(statement.limit(None if limit is None else limit + 1)).mappings().all()
        shown = rows if limit is None else rows[:limit]
        last = [shown[-1][f"sort_{number}"] for number in range(len(keys))] if len(rows) > len(shown) else None
        return BreakPage(breaks=[break_of(row) for row in shown], next=None if last is None else _encoded(last, sort))


def _after(keys: Sequence[tuple[ColumnElement[Any], bool]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition "comes after these values": greater in the first key that is not equal."""
    ways = []
    for number, (column, descending) in enumerate(keys):
        equal = [before == value for (before, _), value in zip(keys[:number], values, strict=False)]
        ways.append(and_(*equal, column < values[number] if descending else column > values[number]))
    return or_(*ways)


def _order(sort: Sequence[SortKey]) -> str:
    return ",".join(map(str, sort))


def _encoded(values: Sequence[Any], sort: Sequence[SortKey]) -> str:
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values[:-1]]
    text = json.dumps([_order(sort), *plain, str(values[-1])])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(cursor: str, sort: Sequence[SortKey]) -> list[Any]:
    try:
        order, *plain, break_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [_value(key.field, value) for key, value in zip(sort, plain, strict=True)]
        if order == _order(sort):
            return [*values, UUID(break_id)]
    except (TypeError, ValueError, AttributeError):
        pass
    raise InvalidInputError("the cursor is not one of this list in this order: start again without it")


def _value(field: BreakSort, value: Any) -> Any:
    if field in (BreakSort.FIRST_SEEN_AT, BreakSort.LAST_SEEN_AT):
        return datetime.fromisoformat(value)
    if not isinstance(value, (str, int, float)):
        raise TypeError(field)
    return value
