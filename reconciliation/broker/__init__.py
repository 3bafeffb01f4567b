"""Public names for authors of broker adapters: the port, the errors, and what adapters share.

Adapters of SDKs that are built on `requests` find their transport in `reconciliation.broker.transport`.
"""

from reconciliation.adapters.brokers.paper.paper import PaperBroker
from reconciliation.adapters.brokers.sdk.credentials import Credentials, require_extra
from reconciliation.adapters.brokers.sdk.http_status import rate_limited, refusal
from reconciliation.adapters.brokers.sdk.json_records import Record, decode_json, read_records
from reconciliation.adapters.brokers.sdk.options import BrokerOptions, read_limits, read_timeout
from reconciliation.adapters.brokers.sdk.sdk_threads import SdkThreads
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.errors import (
    AuthError,
    BadData,
    ConfigurationError,
    Incomplete,
    RateLimited,
    ReadError,
    Unavailable,
)
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
    "AssetType",
    "AuthError",
    "BadData",
    "BrokerAccount",
    "BrokerLimits",
    "BrokerOptions",
    "BrokerPosition",
    "BrokerQuery",
    "BrokerSnapshot",
    "ClosableBroker",
    "ConfigurationError",
    "Credentials",
    "Incomplete",
    "LimitedBroker",
    "MeteredBroker",
    "PaperBroker",
    "RateLimited",
    "ReadError",
    "Record",
    "RequestPermits",
    "SdkThreads",
    "SnapshotBroker",
    "Unavailable",
    "decode_json",
    "rate_limited",
    "read_limits",
    "read_records",
    "read_timeout",
    "refusal",
    "require_extra",
]
