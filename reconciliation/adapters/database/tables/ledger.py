"""Tables of the ledger: runs, their findings, breaks with their history, the health of accounts, and the outbox."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from reconciliation.adapters.database.column_types import ExactDecimal, UtcDateTime
from reconciliation.adapters.database.tables.local_book import Base, Json, RowId

#: In `value_order`: it sorts below every value.
UNKNOWN_VALUE = -1.0


class RunRow(Base):
    """One run, of whatever outcome."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_account_id_timestamp", "account_id", "timestamp"),)

    run_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    account_id: Mapped[str] = mapped_column(String(128))
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    trigger: Mapped[str] = mapped_column(String(32))
    outcome: Mapped[str] = mapped_column(String(16))
    #: Why it changed no break: incomplete, lease_lost, older_read; None: it was applied.
    not_applied: Mapped[str | None] = mapped_column(String(16))
    context: Mapped[dict[str, Any]] = mapped_column(Json)
    local_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broker_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: As they were applied; None: the account had no plan.
    tolerances: Mapped[dict[str, Any] | None] = mapped_column(Json)
    positions_checked: Mapped[int] = mapped_column(Integer)
    discrepancy_count: Mapped[int] = mapped_column(Integer)
    duration_ms: Mapped[float] = mapped_column(Float)
    not_compared: Mapped[list[str]] = mapped_column(Json)
    error_kind: Mapped[str | None] = mapped_column(String(32))
    error_side: Mapped[str | None] = mapped_column(String(16))
    error_message: Mapped[str | None] = mapped_column(Text)


class DiscrepancyRow(Base):
    """One finding of one run."""

    __tablename__ = "discrepancies"
    __table_args__ = (Index("ix_discrepancies_break_id_id", "break_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.run_id", ondelete="CASCADE"), index=True)
    #: The break that it belongs to: a pure function of the finding, so no foreign key.
    break_id: Mapped[UUID] = mapped_column(Uuid)
    timestamp: Mapped[datetime] = mapped_column(UtcDateTime)
    type: Mapped[str] = mapped_column(String(32))
    severity: Mapped[str] = mapped_column(String(16))
    symbol: Mapped[str | None] = mapped_column(Text)
    asset_type: Mapped[str | None] = mapped_column(String(16))
    currency: Mapped[str | None] = mapped_column(String(16))
    local_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    broker_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    #: NULL: not known.
    value_at_stake: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    value_currency: Mapped[str | None] = mapped_column(String(16))
    value_basis: Mapped[str | None] = mapped_column(String(16))


class BreakRow(Base):
    """One break: each key has one row, permanently, so that no key can have two open breaks."""

    __tablename__ = "breaks"
    __table_args__ = (
        UniqueConstraint("account_id", "symbol", "asset_type", "type", "currency", name="uq_breaks_key"),
        Index("ix_breaks_account_id_state", "account_id", "state"),
        Index("ix_breaks_state_first_seen_at", "state", "first_seen_at"),
    )

    break_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    account_id: Mapped[str] = mapped_column(String(128))
    type: Mapped[str] = mapped_column(String(32))
    #: Empty at account level: a unique constraint takes two NULLs for different.
    symbol: Mapped[str] = mapped_column(Text)
    asset_type: Mapped[str] = mapped_column(String(16))
    currency: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    published_local_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    published_broker_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    first_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    resolved_by: Mapped[str | None] = mapped_column(Text)
    is_announced: Mapped[bool] = mapped_column(server_default=true())
    open_count: Mapped[int] = mapped_column(Integer)
    assignee: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    change_limit: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    changes: Mapped[int] = mapped_column(Integer)
    local_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    broker_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_run_id: Mapped[UUID | None] = mapped_column(Uuid)
    sightings: Mapped[int] = mapped_column(Integer)
    last_look_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    gone_count: Mapped[int] = mapped_column(Integer, server_default="0")
    counted_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fills_before: Mapped[int | None] = mapped_column(BigInteger)
    confirmations_asked: Mapped[int] = mapped_column(Integer)
    #: Pairs of kind and sentence.
    hints: Mapped[list[list[str]]] = mapped_column(Json)
    #: NULL: not known.
    value_at_stake: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    value_currency: Mapped[str | None] = mapped_column(String(16))
    value_basis: Mapped[str | None] = mapped_column(String(16))
    #: The same as a float, to be sorted by; one below zero where it is not known.
    value_order: Mapped[float] = mapped_column(Double, server_default=str(UNKNOWN_VALUE))
    #: The kind of the first hint; empty: there is none.
    cause: Mapped[str] = mapped_column(String(32), server_default="")
    #: Of the quantities, such as `10:1`; empty: neither simple nor known.
    ratio: Mapped[str] = mapped_column(String(16), server_default="")


_UNPUBLISHED = text("published_at IS NULL AND event_id IS NOT NULL")


class BreakEventRow(Base):
    """One entry of a break's history; replayed in the order of `number` it gives the break."""

    __tablename__ = "break_events"
    __table_args__ = (
        UniqueConstraint("break_id", "number"),
        Index("ix_break_events_actor_at", "actor", "at"),
        Index(
            "ix_break_events_unpublished",
            "event_id",
            postgresql_where=_UNPUBLISHED,
            sqlite_where=_UNPUBLISHED,
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    break_id: Mapped[UUID] = mapped_column(ForeignKey("breaks.break_id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: A person's name; None: a run did it.
    actor: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    severity: Mapped[str | None] = mapped_column(String(16))
    local_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    broker_value: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    change_limit: Mapped[Decimal | None] = mapped_column(ExactDecimal)
    assignee: Mapped[str | None] = mapped_column(Text)
    previous_assignee: Mapped[str | None] = mapped_column(Text)
    since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Of the event that readers get; NULL: it is history only, or older than this column.
    event_id: Mapped[UUID | None] = mapped_column(Uuid)
    #: When the stream had it. Until then it is in the outbox.
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountHealthRow(Base):
    """How an account stands. Its lock is what serialises all that happens to the account's breaks."""

    __tablename__ = "account_health"

    account_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    #: Of the latest run; NULL: not known.
    connection: Mapped[str | None] = mapped_column(String(128))
    last_run_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    interval_seconds: Mapped[float | None] = mapped_column(Double)
    local_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    broker_as_of: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Highest fencing token seen, by scope.
    fences: Mapped[dict[str, int]] = mapped_column(Json)
    failed_runs: Mapped[int] = mapped_column(Integer)
    flood_runs: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Whether the account has rows in `account_conditions`: most have none, and are not looked up there.
    has_conditions: Mapped[bool] = mapped_column(server_default=false())
    #: The number of the account's last event.
    sequence: Mapped[int] = mapped_column(BigInteger)
    #: When a confirmation run should have been made; None: none is wanted.
    confirm_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    #: When the check for missed slots first saw the account without any run or place in the schedule.
    noticed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AccountConditionRow(Base):
    """What is wrong with a whole account. Read and written under the lock of its `account_health`."""

    __tablename__ = "account_conditions"
    __table_args__ = (Index("ix_account_conditions_condition_connection", "condition", "connection"),)

    account_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    condition: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: Empty: not known.
    connection: Mapped[str] = mapped_column(String(128))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When its event is due; NULL: it was published.
    announce_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    is_shared: Mapped[bool]
    #: It is over, and its event is still to come.
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    run_id: Mapped[UUID | None] = mapped_column(Uuid)


class SharedConditionRow(Base):
    """A condition that one event reported for many accounts."""

    __tablename__ = "shared_conditions"

    condition: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: A connection; empty: the whole system.
    scope: Mapped[str] = mapped_column(String(128), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The count of its last event.
    published: Mapped[int] = mapped_column(Integer)
    joined: Mapped[int] = mapped_column(Integer)
    last_joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutboxRow(Base):
    """An event that is committed and not yet published; deleted once it is."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("account_id", "sequence"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid, unique=True)
    account_id: Mapped[str] = mapped_column(String(128))
    sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
