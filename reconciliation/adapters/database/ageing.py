"""The ageing report: how long the breaks that are not resolved have been seen, counted in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import ColumnElement, Engine, and_, case, func, select

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import BreakRow
from reconciliation.domain.breaks.states import BreakState

#: Whole days since the first sighting: name of the bucket, and the days at which it ends.
BUCKETS: Mapping[str, int | None] = {"0-1 days": 2, "2-7 days": 8, "8-30 days": 31, "over 30 days": None}

_TABLE = BreakRow.__table__
_COUNTED = [state.value for state in BreakState if state not in (BreakState.RESOLVED, BreakState.SUSPECTED)]


@dataclass(frozen=True, kw_only=True)
class AgeingLine:
    """The breaks of one account, type and severity, by age."""

    account_id: str
    type: str
    severity: str
    #: One number for each of `BUCKETS`.
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


def ageing(engine: Engine, now: datetime, *, account_id: str | None = None) -> list[AgeingLine]:
    """Return a line for each account, type and severity that has breaks; suspicions are not counted.

    Raises:
        StorageError: the database cannot be reached.
    """
    ends = [now - timedelta(days=days) for days in BUCKETS.values() if days is not None]
    counts = [
        func.sum(case((_seen_between(older, newer), 1), else_=0)) for newer, older in pairwise([None, *ends, None])
    ]
    groups = (_TABLE.c.account_id, _TABLE.c.type, _TABLE.c.severity)
    statement = select(*groups, *counts).where(_TABLE.c.state.in_(_COUNTED)).group_by(*groups).order_by(*groups)
    if account_id is not None:
        statement = statement.where(_TABLE.c.account_id == account_id)
    with read_transaction(engine) as connection:
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
