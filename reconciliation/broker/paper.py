"""Public name: the paper broker."""

from reconciliation.adapters.brokers.paper.paper import PaperBroker

__all__ = [
    "PaperBroker",
]
