"""The same as `reconciliation.tables`, under the name that callers had before."""

from reconciliation.adapters.database.tables.local_book import Account, Base, Position

__all__ = [
    "Account",
    "Base",
    "Position",
]
