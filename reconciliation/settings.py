"""Every setting, in one frozen object: the only reader of the environment (`RECONCILIATION_*`) and of `.env`."""

from functools import cached_property
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    local: str = Field("sql", description="Where the local book lives: `sql` (our own tables) or `csv`.")
    local_options: dict[str, Any] = Field(default_factory=dict, description="Options of the local book, as JSON.")

    interval_seconds: float = Field(300.0, gt=0, description="Between two periodic runs of an account.")
    cash_tolerance: str = Field("1.00", description="Absolute, in account currency, inclusive.")
    equity_tolerance_pct: str = Field("0.1", description="Percent of the absolute local equity, inclusive.")
    read_timeout_seconds: float = Field(30.0, gt=0, description="For one side of one account; then `incomplete`.")
    post_fill_delay_seconds: float = Field(5.0, ge=0, description="Quiet time after a burst of fills.")
    post_fill_max_wait_seconds: float = Field(60.0, gt=0, description="Longest wait after a burst's first fill.")

    redis_timeout_seconds: float = Field(5.0, gt=0, description="For one answer of Redis to our own clients.")
    log_level: str = Field("INFO", description="Of the worker, beat and command line.")

    @cached_property
    def redis_address(self) -> str:
        """`redis_url` without user, password and query: fit for a message."""
        return _address(self.redis_url)

    @cached_property
    def database_address(self) -> str:
        """`database_url` without user, password and query: fit for a message."""
        return _address(self.database_url)


def _address(url: SecretStr) -> str:
    scheme, _, rest = url.get_secret_value().partition("://")
    host_and_path = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{host_and_path}"
