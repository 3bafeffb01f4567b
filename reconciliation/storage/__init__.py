"""Kept for callers of `reconciliation.storage.tables`: the store itself is `reconciliation.adapters.database`."""
