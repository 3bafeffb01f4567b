"""Public names: what a broker adapter answers with."""

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
    "RequestPermits",
    "SnapshotBroker",
]
