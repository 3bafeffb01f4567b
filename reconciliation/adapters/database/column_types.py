"""Column types that mean the same on SQLite and on PostgreSQL: exact decimals, aware times, asset types.

The signatures are SQLAlchemy's, `dialect` included.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, Numeric, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.values import aware_utc, exact_decimal


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal, digit for digit: unbounded NUMERIC on PostgreSQL, text on SQLite (whose NUMERIC is a float).

    As text it can't be ordered or added up by SQLite: do that in Python.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Numeric() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        number = exact_decimal(value, "a decimal column")
        return number if dialect.name == "postgresql" else f"{number:f}"

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Decimal | None] | None:
        del coltype
        # None: psycopg gives Decimals, and a call for each cell of a sweep would cost more than reading it.
        return None if dialect.name == "postgresql" else _from_text


def _from_text(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC: TIMESTAMP WITH TIME ZONE on PostgreSQL, naive UTC on SQLite. Naive input is UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = aware_utc(value)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class AssetTypeName(TypeDecorator[AssetType]):
    """An `AssetType` as its value, without a database enum: a new kind needs no migration."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: AssetType | str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else AssetType(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> AssetType | None:
        del dialect
        return None if value is None else AssetType(value)
