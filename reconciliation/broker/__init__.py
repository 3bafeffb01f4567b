"""Public names for authors of broker adapters."""

from reconciliation.adapters.brokers.paper.paper import PaperBroker
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.ports.broker import (
    BrokerLimits,
    BrokerQuery,
    ClosableBroker,
    LimitedBroker,
    MeteredBroker,
    RequestPermits,
    SnapshotBroker,
)

__all__ = [
    "BrokerAccount",
    "BrokerLimits",
    "BrokerPosition",
    "BrokerQuery",
    "BrokerSnapshot",
    "ClosableBroker",
    "LimitedBroker",
    "MeteredBroker",
    "PaperBroker",
    "RequestPermits",
    "SnapshotBroker",
]
