"""Every setting, in one frozen object: the only reader of the environment (`RECONCILIATION_*`) and of `.env`."""

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from reconciliation.errors import ConfigurationError


class Settings(BaseSettings):
    """All that an operator may choose. Defaults suit one machine; production sets the URLs.

    URLs are secret, for they may hold a password: print `redis_address` and `database_address` instead.
    """

    model_config = SettingsConfigDict(
        env_prefix="RECONCILIATION_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis for coordination, channels and streams."
    )
    celery_broker_url: SecretStr | None = Field(
        None, description="Redis for Celery's messages and results; default: the same as redis_url."
    )
    database_url: SecretStr = Field(
        SecretStr("sqlite:///reconciliation.db"),
        description="SQLAlchemy URL of our own tables: sqlite:/// or postgresql+psycopg://.",
    )
    key_prefix: str = Field("reconciliation:", description="What every key of ours in Redis begins with.")
    broker: str = Field(
        "paper", description="Broker of accounts without a connection: a `reconciliation.brokers` name."
    )
    broker_options: dict[str, Any] = Field(default_factory=dict, description="Options of that broker, as JSON.")
    local: str = Field(
        "sql",
        description="Where the local book lives: `sql`, `csv`, or your own tables by `table` or `query`.",
    )
    local_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of your own tables, read-only; default: the same as database_url."
    )
    local_options: dict[str, Any] = Field(default_factory=dict, description="Options of the local book, as JSON.")

    interval_seconds: float = Field(300.0, gt=0, description="Between two periodic runs of an account.")
    cash_tolerance: str = Field("1.00", description="Absolute, in account currency, inclusive.")
    equity_tolerance_pct: str = Field("0.1", description="Percent of the absolute local equity, inclusive.")
    read_timeout_seconds: float = Field(30.0, gt=0, description="For one side of one account; then `incomplete`.")
    post_fill_delay_seconds: float = Field(5.0, ge=0, description="Quiet time after a burst of fills.")
    post_fill_max_wait_seconds: float = Field(60.0, gt=0, description="Longest wait after a burst's first fill.")
    post_fill_backoff_seconds: float = Field(
        5.0, gt=0, description="Wait after an incomplete post-fill run; doubled after each further one."
    )
    post_fill_max_backoff_seconds: float = Field(300.0, gt=0, description="Longest wait after incomplete runs.")
    fill_stream: str = Field("reconciliation:fills", description="Redis Stream that `reconcile fills consume` reads.")
    fill_reclaim_limit: int = Field(500, ge=1, description="Overdue fill windows that one tick of beat wakes at most.")

    break_confirmations: int = Field(2, ge=1, description="Sightings before a break is open; 1 opens it at once.")
    confirmation_delay_seconds: float = Field(
        5.0, ge=0, description="Between two sightings that count; longer than a fill is in flight."
    )
    max_suspicion_seconds: float = Field(
        600.0, gt=0, description="A suspicion that every run sees for this long is opened, though fills go on."
    )
    flood_cap: int = Field(50, ge=1, description="More breaks than this opened by one run are one systemic event.")
    material_change_pct: str = Field(
        "10", description="Percent by which a difference in money must move to be told again, and to end a snooze."
    )
    severity_rules: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Rules that raise a severity, as JSON: severity, type, min_difference, min_age_seconds.",
    )
    failed_runs_before_alert: int = Field(
        3, ge=1, description="Runs in a row that failed before `could_not_run` is told."
    )
    missed_slot_intervals: float = Field(
        1.5, gt=1, le=2, description="Intervals without a run before `missed_slot` is told."
    )
    event_stream_max_events: int = Field(
        100_000, ge=1000, description="The stream reconciliation:events forgets older ones, roughly beyond this."
    )
    actor: str | None = Field(None, description="Your name, kept with every change that you make to a break by hand.")
    prune_after_days: float | None = Field(
        None, gt=0, description="Every hour, runs and resolved breaks older than this are deleted; default: never."
    )

    sweep_size: int = Field(200, ge=1, le=1000, description="Accounts in one sweep, at most.")
    sweep_seconds: float = Field(45.0, gt=0, description="A sweep begins with no account after this time.")
    max_queued_sweeps: int = Field(
        200, ge=1, description="With so many sweeps waiting for workers, what is due stays in the due-queue."
    )
    dispatch_lease_seconds: float = Field(
        30.0, gt=0, description="A sweep that no worker begins in this time is stale, and its accounts are due again."
    )
    startup_runs_per_second: int = Field(
        200, ge=1, description="Accounts new to the schedule that become due in one second, at most."
    )
    max_run_crashes: int = Field(
        3, ge=1, description="An account whose runs took so many workers with them is set aside for that slot."
    )
    connection_failures_before_pause: int = Field(
        5, ge=1, description="So many failures of a connection without a success between them pause it."
    )
    connection_pause_seconds: float = Field(5.0, gt=0, description="A connection's first pause; each next is doubled.")
    connection_max_pause_seconds: float = Field(300.0, gt=0, description="A connection's longest pause.")

    task_time_limit_seconds: int = Field(100, ge=5, description="A task that runs for longer is killed.")
    run_lease_seconds: int = Field(120, description="Afterwards a run's lock may be taken by somebody else.")
    visibility_timeout_seconds: int = Field(
        180, description="A message that no worker acknowledged within this time is delivered again."
    )

    redis_timeout_seconds: float = Field(5.0, gt=0, description="For one answer of Redis to our own clients.")
    beat_heartbeat_file: Path | None = Field(
        None, description="A file that beat touches at each tick, about once a second, for a health check."
    )
    log_level: str = Field(
        "INFO",
        pattern="^(?i:debug|info|warning|error|critical)$",
        description="Of the worker, beat and command line: debug, info, warning, error or critical.",
    )

    @model_validator(mode="after")
    def _limits_fit_together(self) -> Self:
        ordered = ("task_time_limit_seconds", "run_lease_seconds", "visibility_timeout_seconds")
        for shorter, longer in pairwise(ordered):
            if not getattr(self, shorter) < getattr(self, longer):
                raise ValueError(
                    f"{shorter} ({getattr(self, shorter)}) must be below {longer} ({getattr(self, longer)}): "
                    "otherwise two workers could make the same run at once"
                )
        if self.post_fill_delay_seconds >= self.visibility_timeout_seconds:
            raise ValueError(
                f"post_fill_delay_seconds ({self.post_fill_delay_seconds:g}) must be below "
                f"visibility_timeout_seconds ({self.visibility_timeout_seconds}): "
                "otherwise its countdown would be delivered again before it is due"
            )
        return self

    @cached_property
    def celery_url(self) -> SecretStr:
        """Where Celery's messages and results are kept, as Celery spells it: a Unix socket has its own scheme there."""
        url = (self.celery_broker_url or self.redis_url).get_secret_value()
        if not url.startswith("unix://"):
            return SecretStr(url)
        parts = urlsplit(url)
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return SecretStr(f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}")

    @cached_property
    def celery_address(self) -> str:
        """`celery_url` without user, password and query: fit for a message."""
        return _address(self.celery_url)

    @cached_property
    def celery_key_prefix(self) -> str:
        """What every key of Celery's own in Redis begins with: `global_keyprefix`."""
        return f"{self.key_prefix}celery:"

    @cached_property
    def redis_address(self) -> str:
        """`redis_url` without user, password and query: fit for a message."""
        return _address(self.redis_url)

    @cached_property
    def database_address(self) -> str:
        """`database_url` without user, password and query: fit for a message."""
        return _address(self.database_url)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and from `.env`; `overrides` win.

    Raises:
        ConfigurationError: one cannot work as written; names its variable, and never repeats its value.
    """
    try:
        return Settings(**overrides)
    except SettingsError as error:
        raise ConfigurationError(f"the settings cannot be read: {error}") from None
    except ValidationError as error:
        faults = "; ".join(_fault(found["loc"], found["msg"]) for found in error.errors(include_input=False))
        # `from None`: pydantic's error holds the values, and one of them may be a password.
        raise ConfigurationError(f"the settings cannot work as written: {faults}") from None


def _fault(location: tuple[int | str, ...], message: str) -> str:
    sentence = message.removeprefix("Value error, ")
    return f"RECONCILIATION_{str(location[0]).upper()}: {sentence}" if location else sentence


def _address(url: SecretStr) -> str:
    scheme, _, rest = url.get_secret_value().partition("://")
    host_and_path = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host_and_path}"
