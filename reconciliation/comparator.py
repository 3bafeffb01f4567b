"""Public name: the comparator."""

from reconciliation.domain.comparison.comparator import Comparator

__all__ = [
    "Comparator",
]
