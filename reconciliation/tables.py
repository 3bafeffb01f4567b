"""Public names: the tables of our local book."""

from reconciliation.adapters.database.tables.local_book import Account, Base, Position

__all__ = [
    "Account",
    "Base",
    "Position",
]
