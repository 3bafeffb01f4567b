"""Asking for the rows of many keys in one statement that stays the same however many there are."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, String, Uuid, any_, bindparam


def is_among(column: Any, values: Iterable[Any], connection: Connection) -> ColumnElement[bool]:
    """Return the condition that a column of text or ids has one of these values."""
    wanted = list(values)
    if connection.dialect.name == "postgresql":
        # One array instead of a placeholder per value: made once, prepared once, and a third cheaper to send.
        kind = Uuid() if isinstance(column.type, Uuid) else String()
        return column == any_(bindparam(None, wanted, type_=ARRAY(kind)))  # type: ignore[no-any-return]
    return column.in_(wanted)  # type: ignore[no-any-return]
