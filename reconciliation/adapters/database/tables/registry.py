"""The tables of the registry: accounts of the schedule, their labels, connections, and what changed when."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, Integer, String, true
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.adapters.database.column_types import ExactDecimal, UtcDateTime
from reconciliation.adapters.database.tables.local_book import Base, Json


class AccountRow(Base):
    """A registered account. NULL in a setting: as in the settings of the process."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    connection: Mapped[str] = mapped_column(String(128), index=True)
    broker_account_id: Mapped[str | None] = mapped_column(String(128))
    enabled: Mapped[bool] = mapped_column(server_default=true())
    interval_seconds: Mapped[float | None] = mapped_column(Double)
    cash_tolerance: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    equity_tolerance_pct: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    tolerances: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)
    post_fill_delay_seconds: Mapped[float | None] = mapped_column(Double)
    post_fill_max_wait_seconds: Mapped[float | None] = mapped_column(Double)
    post_fill_backoff_seconds: Mapped[float | None] = mapped_column(Double)
    post_fill_max_backoff_seconds: Mapped[float | None] = mapped_column(Double)
    run_lease_seconds: Mapped[float | None] = mapped_column(Double)
    read_timeout_seconds: Mapped[float | None] = mapped_column(Double)
    max_broker_age_seconds: Mapped[float | None] = mapped_column(Double)
    max_statement_age_business_days: Mapped[float | None] = mapped_column(Double)
    max_local_age_business_days: Mapped[float | None] = mapped_column(Double)
    currency: Mapped[str | None] = mapped_column(String(16))
    #: The revision of the registry in which this row was last written.
    revision: Mapped[int] = mapped_column(BigInteger, index=True)
    #: When the account first stood in the schedule, or again after it was disabled; NULL: its start-up run is to come.
    scheduled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountLabelRow(Base):
    """One label of one account."""

    __tablename__ = "account_labels"

    account_id: Mapped[str] = mapped_column(
        String(128), ForeignKey("accounts.account_id", ondelete="CASCADE"), primary_key=True
    )
    label: Mapped[str] = mapped_column(String(128), primary_key=True, index=True)


class ConnectionRow(Base):
    """A broker login. `secrets` holds references only, never a secret."""

    __tablename__ = "connections"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    broker: Mapped[str] = mapped_column(String(128))
    options: Mapped[dict[str, Any]] = mapped_column(Json)
    secrets: Mapped[dict[str, str]] = mapped_column(Json)
    requests_per_second: Mapped[float | None] = mapped_column(Double)
    concurrency: Mapped[int | None]
    revision: Mapped[int] = mapped_column(BigInteger)


class RemovedAccountRow(Base):
    """A removed account, for mirrors of the registry."""

    __tablename__ = "removed_accounts"

    account_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, index=True)


class RegistryStateRow(Base):
    """One row: the revision. A writer of the registry locks it, so that revisions commit in their order."""

    __tablename__ = "registry_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
