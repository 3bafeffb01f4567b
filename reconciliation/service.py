"""Public name: one account, reconciled inside your own process."""

from reconciliation.usecases.service import ReconciliationService

__all__ = [
    "ReconciliationService",
]
