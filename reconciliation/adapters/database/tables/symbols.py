"""The table of symbol mappings."""

from datetime import date

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.adapters.database.column_types import AssetTypeName
from reconciliation.adapters.database.tables.local_book import Base, RowId
from reconciliation.domain.model.models import AssetType


class SymbolMappingRow(Base):
    """A broker's symbol, and the local symbol that it means. NULL days: no start date, no end date."""

    __tablename__ = "symbol_mappings"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    #: The name of a connection or of a kind of broker; `*` is any.
    broker: Mapped[str] = mapped_column(String(128))
    broker_symbol: Mapped[str] = mapped_column(String(128), index=True)
    local_symbol: Mapped[str] = mapped_column(String(128))
    asset_type: Mapped[AssetType | None] = mapped_column(AssetTypeName)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
