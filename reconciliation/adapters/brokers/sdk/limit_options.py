"""Time-outs and limits of a live broker, read from its options."""

from decimal import Decimal

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.ports.broker import BrokerLimits

DEFAULT_TIMEOUT_SECONDS = Decimal(10)
MAX_TIMEOUT_SECONDS = 120
MAX_CONCURRENCY = 64


def read_timeout(options: BrokerOptions) -> float:
    """Return `timeout_seconds`: for one request, from connecting to the last byte."""
    seconds = options.number("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise options.wrong("timeout_seconds", f"a number above 0, at most {MAX_TIMEOUT_SECONDS}")
    return float(seconds)


def read_limits(options: BrokerOptions, documented: BrokerLimits) -> BrokerLimits:
    """Return the documented limits, or what the operator has agreed with the broker instead."""
    rate = documented.requests_per_second
    if options.has("requests_per_second"):
        rate = float(options.number("requests_per_second"))
        if not rate > 0:
            raise options.wrong("requests_per_second", "a number above 0")
    concurrency = options.number("concurrency", documented.concurrency)
    if concurrency not in range(1, MAX_CONCURRENCY + 1):
        raise options.wrong("concurrency", f"a whole number from 1 to {MAX_CONCURRENCY}")
    return BrokerLimits(
        requests_per_second=rate,
        concurrency=int(concurrency),
        requests_per_account=documented.requests_per_account,
    )
