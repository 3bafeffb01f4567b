"""Reconciliation workers: a firm's own book against its broker's, and each real difference reported once."""

from reconciliation.domain.comparison.comparator import Comparator
from reconciliation.domain.model.models import (
    DEFAULT_SEVERITY_MAP,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    ReconciliationConfig,
    ReconciliationResult,
)
from reconciliation.usecases.service import ReconciliationService

__all__ = [
    "DEFAULT_SEVERITY_MAP",
    "Comparator",
    "Discrepancy",
    "DiscrepancySeverity",
    "DiscrepancyType",
    "ReconciliationConfig",
    "ReconciliationResult",
    "ReconciliationService",
]
