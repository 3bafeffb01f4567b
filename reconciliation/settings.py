"""Every setting, in one frozen object: the only reader of the environment (`RECONCILIATION_*`) and of `.env`."""

import os
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from reconciliation.errors import ConfigurationError

ENV_PREFIX = "RECONCILIATION_"
ENV_FILE = ".env"
#: Variables that begin so are secrets, for references such as `env:RECONCILIATION_SECRET_BROKER`, and no settings.
SECRET_PREFIX = "RECONCILIATION_SECRET_"  # noqa: S105 - a name


class RedisSettings(BaseModel):
    """Redis and Celery."""

    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis for coordination, channels and streams."
    )
    celery_broker_url: SecretStr | None = Field(
        None, description="Redis for Celery's messages and results; default: the same as redis_url."
    )
    key_prefix: str = Field(
        "reconciliation:", description="What each of our keys, channels and streams in Redis begins with."
    )
    redis_timeout_seconds: float = Field(5.0, gt=0, description="The longest wait for one answer of Redis.")


class DatabaseSettings(BaseModel):
    """Database."""

    database_url: SecretStr = Field(
        SecretStr("sqlite:///reconciliation.db"),
        description="SQLAlchemy URL of our own tables: sqlite:/// or postgresql+psycopg://.",
    )
    database_pooling: Literal["session", "transaction"] = Field(
        "session",
        description="What a pooler in front of PostgreSQL gives out: `session`, or `transaction` as PgBouncer does "
        "with `pool_mode = transaction`.",
    )
    prune_after_days: float = Field(
        30, ge=0, description="Every hour, runs and resolved breaks older than this are deleted. 0 means never."
    )


class ReadSettings(BaseModel):
    """Local book and broker."""

    local: str = Field(
        "sql",
        description="Where the local book lives: `sql`, `csv`, or your own tables by `table` or `query`.",
    )
    local_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of your own tables, read-only; default: the same as database_url."
    )
    local_options: dict[str, Any] = Field(default_factory=dict, description="Options of the local book, as JSON.")
    broker: str | None = Field(
        None,
        description="Broker of the connection `default`: a `reconciliation.brokers` name. Default: there is none.",
    )
    broker_options: dict[str, Any] = Field(default_factory=dict, description="Options of that broker, as JSON.")
    read_timeout_seconds: float = Field(
        30.0, gt=0, description="The longest time of one read of either side. After that, the run is `incomplete`."
    )


class AccountSettings(BaseModel):
    """Defaults of all accounts."""

    interval_seconds: float = Field(300.0, gt=0, description="The time between two periodic runs of an account.")
    cash_tolerance: str = Field(
        "1.00", description="The largest cash difference that is no finding, in the account's currency."
    )
    equity_tolerance_pct: str = Field(
        "0.1", description="The largest equity difference that is no finding, in percent of the local equity."
    )
    max_broker_age_seconds: float = Field(
        900.0, ge=0, description="An older answer of a live broker makes the run `incomplete`. 0: any age."
    )
    max_statement_age_business_days: float = Field(
        3.0, ge=0, description="An older statement makes the run `incomplete`. 0: any age."
    )
    max_local_age_business_days: float = Field(
        3.0, ge=0, description="An older local book, where it states its time, makes the run `incomplete`. 0: any age."
    )
    business_zone: str = Field("UTC", description="The time zone of days, such as America/New_York.")
    holidays: list[str] = Field(
        default_factory=list, description='Days that are no business days, as JSON: ["2026-12-25"].'
    )


class FillSettings(BaseModel):
    """Fills."""

    post_fill_delay_seconds: float = Field(
        5.0, ge=0, description="The time without a fill after which a burst of fills is followed by a run."
    )
    post_fill_max_wait_seconds: float = Field(
        60.0, gt=0, description="The longest time between the first fill of a burst and its run."
    )
    post_fill_backoff_seconds: float = Field(
        5.0,
        gt=0,
        description="The time after an incomplete post-fill run until it is tried again. It doubles each time.",
    )
    post_fill_max_backoff_seconds: float = Field(300.0, gt=0, description="The longest time between two such attempts.")
    fill_stream: str = Field("reconciliation:fills", description="Redis Stream that `reconcile fills consume` reads.")
    fill_replicas: int = Field(
        0, ge=0, description="Replicas of Redis that must have a fill, or an event, before it counts as recorded."
    )
    replica_timeout_seconds: float = Field(1.0, gt=0, le=60, description="How long these replicas may take.")
    fill_reclaim_limit: int = Field(500, ge=1, description="Overdue fill windows that one tick of beat wakes at most.")


class BreakSettings(BaseModel):
    """Breaks and events."""

    break_confirmations: int = Field(2, ge=1, description="Sightings before a break is open; 1 opens it at once.")
    confirmation_delay_seconds: float = Field(
        5.0, ge=0, description="The shortest time between two sightings that count; longer than a fill is in flight."
    )
    max_suspicion_seconds: float = Field(
        600.0, gt=0, description="A suspicion that every run sees for this long is opened, though fills go on."
    )
    flood_cap: int = Field(50, ge=1, description="More breaks than this opened by one run are one systemic event.")
    flood_runs_before_cases: int = Field(
        3, ge=1, description="Runs in a row that show a flood, before its breaks become cases without an event each."
    )
    material_change_pct: str = Field(
        "10", description="Percent by which a difference in money must move to be published again, and to end a snooze."
    )
    severity_rules: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Rules that raise a severity, as JSON: severity, type, min_difference, min_age_seconds, "
        "min_value, currency.",
    )
    failed_runs_before_alert: int = Field(
        3, ge=1, description="Runs in a row that failed before `could_not_run` is published."
    )
    missed_slot_intervals: float = Field(
        1.5, gt=1, le=2, description="Intervals without a run before `missed_slot` is published."
    )
    event_stream_max_events: int = Field(
        100_000, ge=1000, description="The stream reconciliation:events forgets older ones, roughly beyond this."
    )
    actor: str | None = Field(None, description="Your name, kept with every change that you make to a break by hand.")


class ScheduleSettings(BaseModel):
    """Schedule."""

    sweep_size: int = Field(200, ge=1, le=1000, description="Accounts in one sweep, at most.")
    sweep_seconds: float = Field(45.0, gt=0, description="A sweep begins with no account after this time.")
    max_queued_sweeps: int = Field(
        200, ge=1, description="While this many sweeps wait for workers, due accounts stay in the due-queue."
    )
    dispatch_lease_seconds: float = Field(
        30.0, gt=0, description="A sweep that no worker begins in this time is stale, and its accounts are due again."
    )
    startup_runs_per_second: int = Field(
        200, ge=1, description="Accounts new to the schedule that become due in one second, at most."
    )
    max_run_crashes: int = Field(
        3, ge=1, description="An account whose runs crashed this many workers is set aside until its next slot."
    )
    connection_failures_before_pause: int = Field(
        5, ge=1, description="A connection is paused after this many failures without a success between them."
    )
    connection_pause_seconds: float = Field(5.0, gt=0, description="A connection's first pause; each next is doubled.")
    connection_max_pause_seconds: float = Field(300.0, gt=0, description="A connection's longest pause.")


class WorkerSettings(BaseModel):
    """Workers and beat."""

    task_time_limit_seconds: int = Field(100, ge=5, description="A task that runs for longer is killed.")
    run_lease_seconds: int = Field(120, description="After this time another worker may take over a run.")
    visibility_timeout_seconds: int = Field(
        180, description="A message that no worker acknowledged within this time is delivered again."
    )
    beat_heartbeat_file: Path | None = Field(
        None, description="A file that beat touches at each tick, about once a second, for a health check."
    )
    log_level: str = Field(
        "INFO",
        pattern="^(?i:debug|info|warning|error|critical)$",
        description="Level of the log of worker, beat and command line: debug, info, warning, error or critical.",
    )


#: The settings in groups; a new setting is a field of one of them.
SECTIONS = (
    RedisSettings,
    DatabaseSettings,
    ReadSettings,
    AccountSettings,
    FillSettings,
    BreakSettings,
    ScheduleSettings,
    WorkerSettings,
)


class Settings(
    RedisSettings,
    DatabaseSettings,
    ReadSettings,
    AccountSettings,
    FillSettings,
    BreakSettings,
    ScheduleSettings,
    WorkerSettings,
    BaseSettings,
):
    """All that an operator may choose. Defaults suit one machine; production sets the URLs.

    URLs are secret, because they may hold a password: print `redis_address` and `database_address` instead.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True
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
        return address_of(self.celery_url)

    @cached_property
    def celery_key_prefix(self) -> str:
        """What every key of Celery's own in Redis begins with: `global_keyprefix`."""
        return f"{self.key_prefix}celery:"

    @cached_property
    def redis_address(self) -> str:
        """`redis_url` without user, password and query: fit for a message."""
        return address_of(self.redis_url)

    @cached_property
    def database_address(self) -> str:
        """`database_url` without user, password and query: fit for a message."""
        return address_of(self.database_url)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment and from `.env`; `overrides` win.

    Raises:
        ConfigurationError: one cannot work as written, or is none; names its variable, and never repeats its value.
    """
    _refuse_unknown_variables()
    try:
        return Settings(**overrides)
    except SettingsError as error:
        raise ConfigurationError(f"the settings cannot be read: {error}") from None
    except ValidationError as error:
        faults = "; ".join(_fault(found["loc"], found["msg"]) for found in error.errors(include_input=False))
        # `from None`: pydantic's error holds the values, and one of them may be a password.
        raise ConfigurationError(f"the settings cannot work as written: {faults}") from None


def address_of(url: SecretStr) -> str:
    """Return a URL without user, password and query: fit for a message."""
    scheme, _, rest = url.get_secret_value().partition("://")
    host_and_path = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host_and_path}"


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{ENV_PREFIX}{name.upper()}"


def _refuse_unknown_variables() -> None:
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted({*os.environ, *dotenv_values(ENV_FILE)}):
        given = name.upper()
        if given.startswith(ENV_PREFIX) and not given.startswith(SECRET_PREFIX) and given not in known:
            close = get_close_matches(given, known, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ConfigurationError(f"{name} is no setting: `reconcile settings` lists them all{meant}")


def _fault(location: tuple[int | str, ...], message: str) -> str:
    sentence = message.removeprefix("Value error, ")
    return f"{variable(str(location[0]))}: {sentence}" if location else sentence
