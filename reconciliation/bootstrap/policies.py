"""What the settings say, as the domain's own values."""

from decimal import Decimal

from reconciliation.domain.breaks.policy import BreakPolicy, SeverityRule
from reconciliation.domain.model.accounts import CONFIG_SETTINGS, DEFAULT_CONNECTION, Connection
from reconciliation.domain.model.calendar import read_calendar
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.errors import ConfigurationError
from reconciliation.settings import Settings


def break_policy(settings: Settings) -> BreakPolicy:
    """Return the rules of breaks that the settings describe.

    Raises:
        ConfigurationError: a severity rule cannot work as written.
    """
    try:
        rules = tuple(SeverityRule(**rule) for rule in settings.severity_rules)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"RECONCILIATION_SEVERITY_RULES cannot work as written: {error}") from error
    return BreakPolicy(
        confirmations=settings.break_confirmations,
        confirmation_delay_seconds=settings.confirmation_delay_seconds,
        max_suspicion_seconds=settings.max_suspicion_seconds,
        flood_cap=settings.flood_cap,
        flood_runs_before_cases=settings.flood_runs_before_cases,
        failed_runs_before_alert=settings.failed_runs_before_alert,
        missed_slot_intervals=settings.missed_slot_intervals,
        material_change_pct=Decimal(settings.material_change_pct),
        severity_rules=rules,
    )


def default_config(settings: Settings) -> ReconciliationConfig:
    """Return the configuration of an account that has none of its own."""
    return ReconciliationConfig(
        DEFAULT_CONNECTION,
        calendar=read_calendar(settings.business_zone, settings.holidays),
        **{name: getattr(settings, name) for name in CONFIG_SETTINGS},
    )


def default_connection(settings: Settings) -> Connection | None:
    """Return the connection of accounts that name none, if the settings choose a broker for it."""
    if not settings.broker:
        return None
    return Connection(name=DEFAULT_CONNECTION, broker=settings.broker, options=settings.broker_options)


def fill_times(settings: Settings) -> FillTimes:
    """Return the times of fill windows whose account has none of its own."""
    return FillTimes(
        delay_ms=round(settings.post_fill_delay_seconds * 1000),
        max_wait_ms=round(settings.post_fill_max_wait_seconds * 1000),
        lease_ms=settings.run_lease_seconds * 1000,
        backoff_ms=round(settings.post_fill_backoff_seconds * 1000),
        max_backoff_ms=round(settings.post_fill_max_backoff_seconds * 1000),
    )
