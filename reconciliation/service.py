"""Public name: one account, reconciled inside your own process."""

from reconciliation.domain.comparison.symbol_matching import SymbolMapping
from reconciliation.usecases.service import ReconciliationService

__all__ = [
    "ReconciliationService",
    "SymbolMapping",
]
