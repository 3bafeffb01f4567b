"""Writing many rows in one statement, and reading the rows of many keys, whichever database it is.

PostgreSQL gets the rows as one JSON document and takes it apart itself: one statement to parse and to plan, for about
half of what binding every value costs the client. SQLite binds within the process, row by row.

The rows of a call have the same columns, by their names, and no key twice. Values are checked and changed by the
columns' own types.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Dialect,
    String,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeDecorator

from reconciliation.adapters.database.engine import to_json

Rows = Sequence[Mapping[str, Any]]
_Names = tuple[str, ...]

#: The one parameter of a statement for PostgreSQL.
_ROWS = "json_rows"
#: A few megabytes of JSON.
_ROWS_PER_STATEMENT = 10_000
#: SQLite's parameters have names of their own where a statement speaks of the columns, too.
_NEW = "new_"


def insert_rows(connection: Connection, row_class: type[DeclarativeBase], rows: Rows) -> None:
    """Insert rows; a key that is taken is the driver's IntegrityError."""
    if rows:
        _execute(connection, _insert, _table(row_class), rows)


def insert_missing_rows(connection: Connection, row_class: type[DeclarativeBase], rows: Rows) -> None:
    """Insert the rows whose key is not taken, in their order."""
    if rows:
        _execute(connection, _insert_missing, _table(row_class), rows)


def upsert_rows(connection: Connection, row_class: type[DeclarativeBase], rows: Rows) -> None:
    """Insert rows; where the primary key is taken, write all their other columns."""
    if rows:
        _execute(connection, _upsert, _table(row_class), rows)


def update_rows(connection: Connection, row_class: type[DeclarativeBase], rows: Rows) -> None:
    """Write the columns of rows that are there already, by their primary key."""
    if not rows:
        return
    table, names = _table(row_class), tuple(rows[0])
    if connection.dialect.name == "postgresql":
        _send_json(connection, _update_from_json(table, names), table, rows)
    else:
        prefixed = [{f"{_NEW}{name}": value for name, value in row.items()} for row in rows]
        connection.execute(_update(table, names), prefixed)


def is_among(column: Any, values: Iterable[Any], connection: Connection) -> ColumnElement[bool]:
    """Return the condition that a column of text or ids has one of these values."""
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        # One array instead of a placeholder per value: made once, prepared once, and a third cheaper to send.
        kind = Uuid() if isinstance(column.type, Uuid) else String()
        return column == any_(bindparam(None, wanted, type_=ARRAY(kind)))  # type: ignore[no-any-return]
    return column.in_(wanted)  # type: ignore[no-any-return]


def _execute(connection: Connection, build: Callable[..., Any], table: Table, rows: Rows) -> None:
    statement = build(table, tuple(rows[0]), connection.dialect.name)
    if connection.dialect.name == "postgresql":
        _send_json(connection, statement, table, rows)
    else:
        connection.execute(statement, rows)


def _send_json(connection: Connection, statement: Any, table: Table, rows: Rows) -> None:
    names = tuple(rows[0])
    for first in range(0, len(rows), _ROWS_PER_STATEMENT):
        some = _plain(table, names, rows[first : first + _ROWS_PER_STATEMENT], connection.dialect)
        connection.execute(statement, {_ROWS: to_json(some)})


def _plain(table: Table, names: _Names, rows: Rows, dialect: Dialect) -> list[dict[str, Any]]:
    """Return the rows after what their columns' types do to a value: they refuse a NaN, and bring a time to UTC."""
    kinds = {name: table.c[name].type for name in names}
    checks = {name: kind.process_bind_param for name, kind in kinds.items() if isinstance(kind, TypeDecorator)}
    return [{name: checks[name](row[name], dialect) if name in checks else row[name] for name in names} for row in rows]


def _table(row_class: type[DeclarativeBase]) -> Table:
    table = row_class.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{row_class.__name__} is no plain table")
    return table


def _keys(table: Table) -> _Names:
    return tuple(key.name for key in table.primary_key)


@lru_cache
def _insert(table: Table, names: _Names, dialect: str) -> Any:
    if dialect == "postgresql":
        return insert_postgresql(table).from_select(names, _select_json(table, names), include_defaults=False)
    return insert(table)


@lru_cache
def _insert_missing(table: Table, names: _Names, dialect: str) -> Any:
    statement = _insert(table, names, dialect) if dialect == "postgresql" else insert_sqlite(table)
    return statement.on_conflict_do_nothing()


@lru_cache
def _upsert(table: Table, names: _Names, dialect: str) -> Any:
    keys = _keys(table)
    statement = _insert(table, names, dialect) if dialect == "postgresql" else insert_sqlite(table)
    written = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=written)


@lru_cache
def _update(table: Table, names: _Names) -> Any:
    keys = _keys(table)
    statement = update(table).values({name: bindparam(f"{_NEW}{name}") for name in names if name not in keys})
    return statement.where(*(table.c[key] == bindparam(f"{_NEW}{key}") for key in keys))


@lru_cache
def _update_from_json(table: Table, names: _Names) -> Any:
    keys, given = _keys(table), _json_rows(table, names)
    statement = update(table).values({name: given.c[name] for name in names if name not in keys})
    return statement.where(*(table.c[key] == given.c[key] for key in keys))


def _select_json(table: Table, names: _Names) -> Any:
    given = _json_rows(table, names)
    return select(*(given.c[name] for name in names))


def _json_rows(table: Table, names: _Names) -> TableValuedAlias:
    document = cast(bindparam(_ROWS, type_=Text()), JSON)
    columns = [column(name, table.c[name].type) for name in names]
    return func.json_to_recordset(document).table_valued(*columns, name="given").render_derived(with_types=True)
