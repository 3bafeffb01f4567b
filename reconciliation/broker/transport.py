"""Public names: the HTTP transport under an SDK that is built on `requests`, which must be installed."""

from reconciliation.adapters.brokers.sdk.requests_transport import ExactResponse, GuardedAdapter, guard

__all__ = [
    "ExactResponse",
    "GuardedAdapter",
    "guard",
]
