"""Public names: the words of the domain."""

from reconciliation.domain.model.models import (
    DEFAULT_SEVERITY_MAP,
    AssetType,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    OrderFill,
    OrderSide,
    Outcome,
    ReconciliationConfig,
    ReconciliationResult,
    RunError,
    Trigger,
)

__all__ = [
    "DEFAULT_SEVERITY_MAP",
    "AssetType",
    "Discrepancy",
    "DiscrepancySeverity",
    "DiscrepancyType",
    "OrderFill",
    "OrderSide",
    "Outcome",
    "ReconciliationConfig",
    "ReconciliationResult",
    "RunError",
    "Trigger",
]
