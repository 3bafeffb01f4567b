"""The ageing report: how long the breaks that are not resolved have been seen, counted in the database."""

from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import ColumnElement, Engine, and_, case, func, select

from reconciliation.adapters.database.breaks import conditions
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import BreakRow
from reconciliation.domain.breaks.states import BreakState
from reconciliation.ports.breaks import AGE_GROUPS, AgeingLine, BreakFilter

_TABLE = BreakRow.__table__
_COUNTED = [state.value for state in BreakState if state not in (BreakState.RESOLVED, BreakState.SUSPECTED)]


class SqlAgeing:
    """Counts breaks by age in our own tables."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self, wanted: BreakFilter, now: datetime) -> list[AgeingLine]:
        """Return a line for each account, type and severity that has breaks; suspected breaks are not counted.

        Raises:
            StorageError: the database cannot be reached.
        """
        ends = [now - timedelta(days=days) for _, days in AGE_GROUPS if days is not None]
        counts = [
            func.sum(case((_seen_between(older, newer), 1), else_=0)) for newer, older in pairwise([None, *ends, None])
        ]
        groups = (_TABLE.c.account_id, _TABLE.c.type, _TABLE.c.severity)
        counted = (*conditions(wanted), _TABLE.c.state.in_(_COUNTED))
        statement = select(*groups, *counts).where(*counted).group_by(*groups).order_by(*groups)
        with read_transaction(self._engine) as connection:
            return [
                AgeingLine(account_id=account, type=kind, severity=severity, counts=tuple(map(int, numbers)))
                for account, kind, severity, *numbers in connection.execute(statement)
            ]


def _seen_between(older: datetime | None, newer: datetime | None) -> ColumnElement[bool]:
    """Return the condition "first seen after `older` and not after `newer`"; None is no bound."""
    conditions = []
    if older is not None:
        conditions.append(_TABLE.c.first_seen_at > older)
    if newer is not None:
        conditions.append(_TABLE.c.first_seen_at <= newer)
    return and_(*conditions)
