"""Whether what a side said is too old to be compared. Pure.

Only a side that states its time can be stale. Live brokers are judged in seconds; statements and the local book in
business days, for neither is written on a weekend.
"""

from datetime import datetime, timedelta

from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import Stale


def stale_broker(config: ReconciliationConfig, now: datetime, broker: BrokerSnapshot) -> Stale | None:
    """Return the error of a broker's answer that is too old; None where it is young enough, or states no time."""
    if broker.as_of is None:
        return None
    if broker.is_statement:
        return _by_days(config, now, broker.as_of, config.max_statement_age_business_days, "the statement")
    limit_seconds = config.max_broker_age_seconds
    if not limit_seconds or now - broker.as_of <= timedelta(seconds=limit_seconds):
        return None
    return Stale(
        f"the broker's answer is of {broker.as_of:%Y-%m-%d %H:%M:%S} UTC, more than {limit_seconds:g} s ago: "
        "its feed may have stopped"
    )


def stale_local(config: ReconciliationConfig, now: datetime, local: LocalSnapshot) -> Stale | None:
    """Return the error of a local book that is too old; None where it is young enough, or states no time."""
    if local.as_of is None:
        return None
    return _by_days(config, now, local.as_of, config.max_local_age_business_days, "the local book")


def _by_days(
    config: ReconciliationConfig, now: datetime, as_of: datetime, business_days: float, what: str
) -> Stale | None:
    if not business_days or not config.calendar.is_older(as_of, now, business_days):
        return None
    day = config.calendar.day_of(as_of)
    return Stale(
        f"{what} is of {day:%Y-%m-%d}, more than {business_days:g} business days ago: look where the next one stays"
    )
