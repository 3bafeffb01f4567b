"""Counts and sums over breaks, made in the database: totals, ageing, groups by cause, and what people did."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, RowMapping, and_, case, func, or_, select

from reconciliation.adapters.database.breaks import conditions
from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow
from reconciliation.adapters.database.tables.registry import AccountLabelRow, AccountRow
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import DiscrepancySeverity
from reconciliation.domain.model.values import exact_sum
from reconciliation.ports.breaks import (
    AGE_GROUPS,
    ActivityEntry,
    ActivityFilter,
    AgeingLine,
    BreakDimension,
    BreakFilter,
    BreakGroup,
    Total,
)

_TABLE = BreakRow.__table__
_COLUMNS = _TABLE.c
_EVENTS = BreakEventRow.__table__.c
_COUNTED = [state.value for state in BreakState if state not in (BreakState.RESOLVED, BreakState.SUSPECTED)]
_SEVERITIES = list(DiscrepancySeverity)

_DIMENSIONS: Mapping[BreakDimension, ColumnElement[Any]] = {
    BreakDimension.ACCOUNT: _COLUMNS.account_id,
    BreakDimension.CONNECTION: AccountRow.__table__.c.connection,
    BreakDimension.LABEL: AccountLabelRow.__table__.c.label,
    BreakDimension.SYMBOL: _COLUMNS.symbol,
    BreakDimension.TYPE: _COLUMNS.type,
    BreakDimension.SEVERITY: _COLUMNS.severity,
    BreakDimension.STATE: _COLUMNS.state,
    BreakDimension.ASSIGNEE: _COLUMNS.assignee,
    BreakDimension.CAUSE: _COLUMNS.cause,
}
#: What breaks of one group share. At account level, or without a cause and a ratio, also their type.
_GROUP = (
    _COLUMNS.symbol,
    _COLUMNS.asset_type,
    case((or_(_COLUMNS.symbol == "", and_(_COLUMNS.cause == "", _COLUMNS.ratio == "")), _COLUMNS.type), else_=""),
    _COLUMNS.cause,
    _COLUMNS.ratio,
)
_SEVERITY_RANK = case({severity.value: rank for rank, severity in enumerate(_SEVERITIES)}, value=_COLUMNS.severity)


class SqlBreakReports:
    """Counts breaks in our own tables. Every method raises StorageError when the database cannot be reached."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def total(self, wanted: BreakFilter) -> Total:
        """Return how many breaks there are, and their value at stake."""
        with read_transaction(self._engine) as connection:
            return _totals(connection, _TABLE, (), conditions(wanted)).get((), Total())

    def ageing(self, wanted: BreakFilter, by: Sequence[BreakDimension], now: datetime) -> list[AgeingLine]:
        """Return a line for each combination of the dimensions that has breaks; suspected breaks are not counted.

        A break of an account with several labels is counted under each of them.
        """
        ends = [now - timedelta(days=days) for _, days in AGE_GROUPS if days is not None]
        ages = [
            func.sum(case((_seen_between(older, newer), 1), else_=0)) for newer, older in pairwise([None, *ends, None])
        ]
        source, dimensions = _joined(by), [_DIMENSIONS[each] for each in by]
        counted = (*conditions(wanted), _COLUMNS.state.in_(_COUNTED))
        statement = select(*dimensions, *ages).select_from(source).where(*counted).group_by(*dimensions)
        with read_transaction(self._engine) as connection:
            totals = _totals(connection, source, dimensions, counted)
            rows = [
                (tuple(row[: len(by)]), tuple(int(count or 0) for count in row[len(by) :]))
                for row in connection.execute(statement)
            ]
        lines = [AgeingLine(group=group, counts=counts, total=totals.get(group, Total())) for group, counts in rows]
        return sorted(lines, key=lambda line: [text or "" for text in line.group])

    def groups(self, wanted: BreakFilter, *, limit: int | None) -> list[BreakGroup]:
        """Return the groups of breaks over two or more accounts with one likely cause, the largest first."""
        accounts = func.count(_COLUMNS.account_id.distinct())
        # Cash and equity of two accounts have nothing in common but for a cause.
        counted = (*conditions(wanted), or_(_COLUMNS.symbol != "", _COLUMNS.cause != ""))
        statement = (
            select(*_GROUP, accounts, func.min(_COLUMNS.first_seen_at), func.max(_SEVERITY_RANK))
            .where(*counted)
            .group_by(*_GROUP)
            .having(accounts > 1)
            .order_by(func.count().desc(), *_GROUP)
            .limit(limit)
        )
        with read_transaction(self._engine) as connection:
            rows = connection.execute(statement).all()
            totals = _totals(connection, _TABLE, _GROUP, counted) if rows else {}
        return [_group(tuple(row), totals) for row in rows]

    def activity(self, wanted: ActivityFilter) -> list[ActivityEntry]:
        """Return what people did to breaks, the newest first."""
        done = [_EVENTS.actor.is_not(None), _EVENTS.at >= wanted.since]
        if wanted.until is not None:
            done.append(_EVENTS.at < wanted.until)
        if wanted.persons:
            done.append(_EVENTS.actor.in_(wanted.persons))
        statement = (
            select(
                _EVENTS.at,
                _EVENTS.actor,
                _EVENTS.kind,
                _EVENTS.note,
                _COLUMNS.break_id,
                _COLUMNS.account_id,
                _COLUMNS.symbol,
                _COLUMNS.type,
            )
            .join_from(BreakEventRow.__table__, _TABLE, _EVENTS.break_id == _COLUMNS.break_id)
            .where(*done)
            .order_by(_EVENTS.at.desc(), _EVENTS.id.desc())
        )
        with read_transaction(self._engine) as connection:
            return [_entry(row) for row in connection.execute(statement).mappings()]


def _joined(by: Sequence[BreakDimension]) -> FromClause:
    source: FromClause = _TABLE
    if BreakDimension.CONNECTION in by:
        source = source.outerjoin(AccountRow.__table__, _COLUMNS.account_id == AccountRow.account_id)
    if BreakDimension.LABEL in by:
        source = source.outerjoin(AccountLabelRow.__table__, _COLUMNS.account_id == AccountLabelRow.account_id)
    return source


def _totals(
    connection: Connection,
    source: FromClause,
    by: Sequence[ColumnElement[Any]],
    counted: Iterable[ColumnElement[bool]],
) -> dict[tuple[Any, ...], Total]:
    """Count and add up by group; the sums of one group, one for each currency, come together."""
    in_sql = connection.dialect.name == "postgresql"
    value = _COLUMNS.value_at_stake
    # SQLite keeps exact numbers as text, which it cannot add up.
    added = func.sum(value) if in_sql else func.group_concat(value)
    grouping = (*by, _COLUMNS.value_currency)
    statement = (
        select(*grouping, func.count(), func.count(value), added)
        .select_from(source)
        .where(*counted)
        .group_by(*grouping)
    )
    totals: dict[tuple[Any, ...], Total] = {}
    for *group, currency, count, known, amount in connection.execute(statement):
        before = totals.get(tuple(group), Total())
        values = dict(before.values)
        if known:
            values[currency or ""] = amount if in_sql else exact_sum(map(Decimal, amount.split(",")))
        totals[tuple(group)] = Total(count=before.count + count, unknown=before.unknown + count - known, values=values)
    return totals


def _group(row: tuple[Any, ...], totals: Mapping[tuple[Any, ...], Total]) -> BreakGroup:
    symbol, asset_type, kind, cause, ratio, accounts, first_seen_at, severity = row
    return BreakGroup(
        symbol=symbol or None,
        asset_type=asset_type or None,
        type=kind or None,
        cause=cause or None,
        ratio=ratio or None,
        accounts=accounts,
        first_seen_at=first_seen_at,
        severity=_SEVERITIES[severity],
        total=totals[row[: len(_GROUP)]],
    )


def _entry(row: RowMapping) -> ActivityEntry:
    return ActivityEntry(
        at=row["at"],
        person=row["actor"],
        kind=BreakEventKind(row["kind"]),
        note=row["note"],
        break_id=row["break_id"],
        account_id=row["account_id"],
        symbol=row["symbol"] or None,
        type=row["type"],
    )


def _seen_between(older: datetime | None, newer: datetime | None) -> ColumnElement[bool]:
    """Return the condition "first seen after `older` and not after `newer`"; None is no bound."""
    bounds = []
    if older is not None:
        bounds.append(_COLUMNS.first_seen_at > older)
    if newer is not None:
        bounds.append(_COLUMNS.first_seen_at <= newer)
    return and_(*bounds)
