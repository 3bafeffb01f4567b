"""The tables of the default local book, and the base of all our tables."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from reconciliation.adapters.database.column_types import AssetTypeName, ExactDecimal, UtcDateTime
from reconciliation.domain.model.models import AssetType

#: Every constraint has a name that a migration can count on, on both databases.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: A row number: 64 bits on PostgreSQL; SQLite numbers rows by itself only in an INTEGER key.
RowId = BigInteger().with_variant(Integer(), "sqlite")

#: JSON where None is SQL's NULL, not the JSON word null.
Json = JSON(none_as_null=True)


class Base(DeclarativeBase):
    """The base of all our tables: one metadata, one naming convention."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Account(Base):
    """An account of the default local book. A row without positions says: certainly flat."""

    __tablename__ = "local_accounts"

    account_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    #: None: not kept, so never compared.
    cash: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    equity: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    #: The currency of cash and equity.
    currency: Mapped[str | None] = mapped_column(String(16))
    #: Cash by currency, each amount as text.
    cash_by_currency: Mapped[dict[str, str] | None] = mapped_column(Json)
    #: When the balances were true; None: at the time of each read.
    as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)

    def __repr__(self) -> str:
        return f"Account({self.account_id!r})"


class Position(Base):
    """One row of the default local book: a position, or one lot of it (rows of one key are added up)."""

    __tablename__ = "local_positions"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    account_id: Mapped[str] = mapped_column(
        String(128), ForeignKey("local_accounts.account_id", ondelete="CASCADE"), index=True
    )
    symbol: Mapped[str] = mapped_column(String(128))
    asset_type: Mapped[AssetType] = mapped_column(AssetTypeName)
    #: Signed: short is negative.
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    #: Per unit, without the multiplier. None: not kept.
    avg_cost: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    currency: Mapped[str | None] = mapped_column(String(16))
    multiplier: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    #: Strong identifiers by lower-case name: isin, cusip, figi, conid.
    identifiers: Mapped[dict[str, str] | None] = mapped_column(Json)

    def __init__(self, **values: Any) -> None:
        """Make a position of the given columns; one made empty is a stock until its type is set."""
        super().__init__(**{"asset_type": AssetType.STOCK, **values})

    def __repr__(self) -> str:
        return f"Position({self.account_id!r}, {self.symbol!r}, {self.asset_type!r}, {self.quantity!r})"
