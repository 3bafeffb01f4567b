"""Account health: conditions in a table of their own, published values, and what a careful resolution needs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import UtcDateTime

revision = "0006_account_health"
down_revision = "0005_fill_times"
branch_labels = None
depends_on = None

_OLD, _NEW = "account_standings", "account_health"
_TOGETHER = "missed_slot_together"
_BREAK_COLUMNS = {"told_local_value": "published_local_value", "told_broker_value": "published_broker_value"}


def upgrade() -> None:
    _upgrade_breaks()
    op.create_table(
        "account_conditions",
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("condition", sa.String(32), nullable=False),
        sa.Column("connection", sa.String(128), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("announce_at", UtcDateTime(), nullable=True),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "condition", name=op.f("pk_account_conditions")),
    )
    op.create_index("ix_account_conditions_condition_connection", "account_conditions", ["condition", "connection"])
    op.create_index(op.f("ix_account_conditions_announce_at"), "account_conditions", ["announce_at"])
    op.create_table(
        "shared_conditions",
        sa.Column("condition", sa.String(32), nullable=False),
        sa.Column("scope", sa.String(128), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("joined", sa.Integer(), nullable=False),
        sa.Column("last_joined_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("condition", "scope", name=op.f("pk_shared_conditions")),
    )
    _rename_health(_OLD, _NEW)
    op.add_column(_NEW, sa.Column("connection", sa.String(128), nullable=True))
    op.add_column(_NEW, sa.Column("interval_seconds", sa.Double(), nullable=True))
    op.add_column(_NEW, sa.Column("flood_runs", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(_NEW, sa.Column("has_conditions", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(_NEW, sa.Column("noticed_at", UtcDateTime(), nullable=True))
    op.execute(
        "UPDATE account_health SET connection = "
        "(SELECT connection FROM accounts WHERE accounts.account_id = account_health.account_id)"
    )
    _move_conditions()
    op.drop_column(_NEW, "conditions")


def _upgrade_breaks() -> None:
    for old, new in _BREAK_COLUMNS.items():
        op.alter_column("breaks", old, new_column_name=new)
    op.add_column("breaks", sa.Column("resolved_by", sa.Text(), nullable=True))
    op.add_column("breaks", sa.Column("is_announced", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("breaks", sa.Column("last_look_at", UtcDateTime(), nullable=True))
    op.add_column("breaks", sa.Column("gone_at", UtcDateTime(), nullable=True))
    op.add_column("breaks", sa.Column("gone_count", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("break_events", sa.Column("previous_assignee", sa.Text(), nullable=True))
    op.add_column("break_events", sa.Column("since", UtcDateTime(), nullable=True))
    op.add_column("break_events", sa.Column("event_id", sa.Uuid(), nullable=True))
    op.add_column("break_events", sa.Column("published_at", UtcDateTime(), nullable=True))
    unpublished = sa.text("published_at IS NULL AND event_id IS NOT NULL")
    op.create_index(
        "ix_break_events_unpublished",
        "break_events",
        ["event_id"],
        postgresql_where=unpublished,
        sqlite_where=unpublished,
    )
    # A suspicion has never been opened in its present episode, and readers know nothing of it.
    op.execute("UPDATE breaks SET last_look_at = last_seen_at, is_announced = (opened_at IS NOT NULL)")
    op.execute(
        "UPDATE breaks SET resolved_by = (SELECT actor FROM break_events WHERE break_events.break_id = breaks.break_id "
        "AND break_events.kind = 'resolved' AND break_events.at = breaks.resolved_at) WHERE state = 'resolved'"
    )


def _rename_health(old: str, new: str) -> None:
    for column in ("confirm_at", "last_run_at"):
        op.drop_index(f"ix_{old}_{column}", old)
    op.rename_table(old, new)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
    for column in ("confirm_at", "last_run_at"):
        op.create_index(op.f(f"ix_{new}_{column}"), new, [column])


def _move_conditions() -> None:
    connection = op.get_bind()
    health = sa.table(
        _NEW,
        sa.column("account_id", sa.String()),
        sa.column("connection", sa.String()),
        sa.column("conditions", sa.JSON()),
        sa.column("has_conditions", sa.Boolean()),
        sa.column("flood_runs", sa.Integer()),
    )
    conditions, shared = [], {}
    for row in connection.execute(sa.select(health)).mappings():
        for word, text in row["conditions"].items():
            since = datetime.fromisoformat(text)
            if row["account_id"] == "":
                shared[word] = since
            else:
                conditions.append(_condition(row["account_id"], row["connection"], word, since))
    names = sorted({row["account_id"] for row in conditions})
    for name in names:
        connection.execute(sa.update(health).where(health.c.account_id == name).values(has_conditions=True))
    for name in sorted({row["account_id"] for row in conditions if row["condition"] == "flood"}):
        connection.execute(sa.update(health).where(health.c.account_id == name).values(flood_runs=1))
    if conditions:
        connection.execute(sa.insert(_conditions_table()), conditions)
    if _TOGETHER in shared:
        count = max(1, sum(row["is_shared"] for row in conditions))
        connection.execute(sa.insert(_shared_table()), [_shared(shared[_TOGETHER], count)])


def _condition(account_id: str, connection: str | None, word: str, since: datetime) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "condition": "missed_slot" if word == _TOGETHER else word,
        "connection": connection or "",
        "since": since,
        "is_shared": word == _TOGETHER,
        "details": {},
    }


def _shared(since: datetime, count: int) -> dict[str, Any]:
    names = {"condition": "missed_slot", "scope": "", "published": count, "joined": count}
    return {**names, "since": since, "last_joined_at": since}


def _conditions_table() -> sa.TableClause:
    texts = [sa.column(name, sa.String()) for name in ("account_id", "condition", "connection")]
    rest: list[sa.ColumnClause[Any]] = [
        sa.column("since", UtcDateTime()),
        sa.column("is_shared", sa.Boolean()),
        sa.column("details", sa.JSON()),
    ]
    return sa.table("account_conditions", *texts, *rest)


def _shared_table() -> sa.TableClause:
    texts = [sa.column(name, sa.String()) for name in ("condition", "scope")]
    numbers = [sa.column(name, sa.Integer()) for name in ("published", "joined")]
    times = [sa.column(name, UtcDateTime()) for name in ("since", "last_joined_at")]
    return sa.table("shared_conditions", *texts, *numbers, *times)


def downgrade() -> None:
    op.drop_table("shared_conditions")
    op.drop_table("account_conditions")
    for name in ("connection", "interval_seconds", "flood_runs", "has_conditions", "noticed_at"):
        op.drop_column(_NEW, name)
    op.add_column(_NEW, sa.Column("conditions", sa.JSON(), nullable=False, server_default="{}"))
    _rename_health(_NEW, _OLD)
    op.drop_index("ix_break_events_unpublished", "break_events")
    for name in ("previous_assignee", "since", "event_id", "published_at"):
        op.drop_column("break_events", name)
    for name in ("resolved_by", "is_announced", "last_look_at", "gone_at", "gone_count"):
        op.drop_column("breaks", name)
    for old, new in _BREAK_COLUMNS.items():
        op.alter_column("breaks", new, new_column_name=old)
