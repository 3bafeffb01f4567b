"""The statements over the users' own tables: made from a map of columns, or taken as written."""

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    Numeric,
    Select,
    String,
    Uuid,
    bindparam,
    column,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeEngine

from reconciliation.adapters.books.user_tables.options import Source
from reconciliation.adapters.books.user_tables.rows import UserRow
from reconciliation.errors import BadData, ConfigurationError

#: Rows that the driver hands over at once.
ROWS_PER_FETCH = 1_000

_IN_PARENTHESES = re.compile(r"\bIN\s*\(\s*:account_ids\s*\)", re.IGNORECASE)
#: A leading comment, then a word that only reads. PostgreSQL can stream nothing else.
_READS = re.compile(r"\s*(?:--[^\n]*\n\s*)*(select|with|values)\b", re.IGNORECASE)
_TYPES: Mapping[str, TypeEngine[Any]] = {"text": String(), "integer": BigInteger(), "uuid": Uuid()}


@dataclass(frozen=True, kw_only=True)
class _Statement:
    executable: Executable
    #: Our names in the order of the columns; None: the result says it.
    names: tuple[str, ...] | None
    #: What an account id is in this database: text, integer or uuid.
    account_type: str


class SourceQuery:
    """One source of rows: positions, balances or accounts."""

    def __init__(self, part: str, source: Source, known: Sequence[str], required: Sequence[str]) -> None:
        self.part = part
        self.source = source
        self._known = known
        self._required = required
        self._statement = None if source.query is None else self._as_written(source.query)

    def rows(
        self, connection: Connection, account_ids: Sequence[str], limit: int
    ) -> Generator[tuple[str, UserRow], None, None]:
        """Yield the rows, each with the id of its account as it was asked; a table gives at most `limit`.

        Close it: a server's cursor hangs on it.

        Raises:
            BadData: the source cannot give what is asked; the message names part and column.
        """
        statement = self._statement = self._statement or self._from_map(connection)
        native = {_native(account_id, statement.account_type): account_id for account_id in account_ids}
        native.pop(None, None)
        asked = {str(value): account_id for value, account_id in native.items()}
        for parameters in self._parameters(list(native), limit):
            with closing(self._execute(connection, statement, parameters)) as rows:
                for row in rows:
                    account_id = self._account_of(row, asked, parameters)
                    if account_id is not None:
                        yield account_id, row

    def _execute(
        self, connection: Connection, statement: _Statement, parameters: Mapping[str, Any]
    ) -> Generator[UserRow, None, None]:
        streams = self.source.query is None or _READS.match(self.source.query) is not None
        options = {"stream_results": streams, "yield_per": ROWS_PER_FETCH} if streams else {}
        result = connection.execute(statement.executable, parameters, execution_options=options)
        if not result.returns_rows:
            raise BadData(f"local book, {self.part}: the query gives no rows: it must be a SELECT")
        with result:
            names = statement.names or self._checked(list(result.keys()))
            for row in result:
                yield UserRow.of(self.source, names, row)

    def _parameters(self, native: list[Any], limit: int) -> Iterator[dict[str, Any]]:
        if not native:
            return
        limited = {} if self.source.table is None else {"row_limit": limit}
        if self.source.takes == "all":
            yield {"account_ids": native, **limited}
        elif self.source.takes == "one":
            yield from ({"account_id": one} for one in native)
        else:
            yield limited

    def _account_of(self, row: UserRow, asked: Mapping[str, str], parameters: Mapping[str, Any]) -> str | None:
        bound = parameters.get("account_id")
        value = row.values.get("account_id", bound)
        if value is None:
            raise BadData(f"local book, {self.part}: {row.fault('account_id', 'is NULL')}")
        name = str(value).strip()
        if bound is not None and name != str(bound):
            raise BadData(f"local book, {self.part}: asked for account {str(bound)!r}, the query gave one of {name!r}")
        return asked.get(name)

    def _checked(self, names: list[str]) -> list[str]:
        given = [name.lower() for name in names]
        for name in given:
            if name not in self._known or given.count(name) > 1:
                why = "gives twice the column" if name in self._known else "gives the unknown column"
                raise BadData(
                    f"local book, {self.part}: the query {why} {name!r}; a column is one of {', '.join(self._known)}"
                )
        for name in self._required:
            if (
                name not in given
                and name not in self.source.constants
                and (name, self.source.takes) != ("account_id", "one")
            ):
                raise BadData(
                    f"local book, {self.part}: the query gives no column {name!r}, and no constant does; "
                    f"it gives {', '.join(given)}"
                )
        return given

    def _as_written(self, query: str) -> _Statement:
        statement = text(_IN_PARENTHESES.sub("IN :account_ids", query))
        account_type = self.source.account_type or "text"
        for name in statement.compile().params:
            if name not in ("account_id", "account_ids"):
                raise ConfigurationError(
                    f"local_options: {self.part}.query: nothing is known of :{name}; only :account_id or :account_ids "
                    rf"are bound (write a colon that is none as \:)"
                )
        if self.source.takes == "all":
            statement = statement.bindparams(_asked(account_type))
        elif self.source.takes == "one":
            statement = statement.bindparams(bindparam("account_id", type_=_TYPES[account_type]))
        return _Statement(executable=statement, names=None, account_type=account_type)

    def _from_map(self, connection: Connection) -> _Statement:
        source = self.source
        columns = self._reflected(connection)
        for name in source.columns:
            self._check_column(f"columns.{name}", source.column(name), columns)
        for broker in source.order_by:
            self._check_column("order_by", broker, columns)
        schema, _, name = (source.table or "").rpartition(".")
        rows = table(name, schema=schema or None)
        statement: Select[*tuple[Any, ...]] = select(
            *[column(source.column(local)) for local in source.columns]
        ).select_from(rows)
        account_type = "text"
        if "account_id" in source.columns:
            broker = source.column("account_id")
            account_type = source.account_type or _account_type(columns[broker])
            statement = statement.where(column(broker, _TYPES[account_type]).in_(_asked(account_type)))
        if source.where:
            statement = statement.where(text(f"({source.where})"))
        if source.order_by:
            statement = statement.order_by(*(column(broker) for broker in source.order_by))
        statement = statement.limit(bindparam("row_limit", type_=BigInteger()))
        return _Statement(executable=statement, names=tuple(source.columns), account_type=account_type)

    def _reflected(self, connection: Connection) -> dict[str, Any]:
        schema, _, name = (self.source.table or "").rpartition(".")
        inspector = inspect(connection)
        try:
            return {found["name"]: found["type"] for found in inspector.get_columns(name, schema or None)}
        except NoSuchTableError:
            tables = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
            hint = _hint(name, tables)
            raise BadData(f"local book, {self.part}: there is no table {self.source.table!r}; {hint}") from None

    def _check_column(self, option: str, broker: str, columns: Mapping[str, Any]) -> None:
        if broker not in columns:
            raise BadData(
                f"local book, {self.part}.{option}: the table {self.source.table!r} has no column {broker!r}; "
                f"{_hint(broker, list(columns))}"
            )


def _asked(account_type: str) -> BindParameter[Any]:
    return bindparam("account_ids", expanding=True, type_=_TYPES[account_type])


def _hint(wrong: str, names: list[str]) -> str:
    close = get_close_matches(wrong, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has: {', '.join(sorted(names)) or 'none'}"


def _account_type(broker: Any) -> str:
    if isinstance(broker, Uuid):
        return "uuid"
    return "integer" if isinstance(broker, (Integer, Numeric)) else "text"


def _native(account_id: str, account_type: str) -> Any:
    """Return the id as the database has it; None where it can't be one there, and so names no account."""
    if account_type == "text":
        return account_id
    try:
        return int(account_id) if account_type == "integer" else UUID(account_id)
    except ValueError:
        return None
