"""Symbol mappings in a CSV file: columns `broker,broker_symbol,local_symbol[,asset_type,valid_from,valid_to]`."""

from datetime import date
from pathlib import Path

from reconciliation.adapters.books.csv_table import CsvRow, read_rows
from reconciliation.domain.comparison.symbol_matching import SymbolMapping
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import InvalidInputError

COLUMNS = ("broker", "broker_symbol", "local_symbol")


def read_symbol_mappings(path: Path) -> list[SymbolMapping]:
    """Return the mappings of a file.

    Raises:
        InvalidInputError: the file cannot be read; the message names file, line and column.
    """
    return [_mapping(row) for row in read_rows(path, COLUMNS)]


def _mapping(row: CsvRow) -> SymbolMapping:
    kind = row.optional_text("asset_type")
    if kind is not None and kind not in AssetType.__members__.values():
        raise row.fault("asset_type", f"{kind!r} is not one of {', '.join(AssetType)}")
    try:
        return SymbolMapping(
            broker=row.text("broker"),
            broker_symbol=row.text("broker_symbol"),
            local_symbol=row.text("local_symbol"),
            asset_type=AssetType(kind) if kind else None,
            valid_from=_day(row, "valid_from"),
            valid_to=_day(row, "valid_to"),
        )
    except InvalidInputError as error:
        if str(row.path) in str(error):
            raise
        raise row.fault("valid_to", str(error)) from None


def _day(row: CsvRow, column: str) -> date | None:
    value = row.optional_text(column)
    try:
        return None if value is None else date.fromisoformat(value)
    except ValueError:
        raise row.fault(column, f"{value!r} is not a day: write it as 2026-01-31") from None
