"""The ledger: runs, findings, breaks with their history, where each account stands, and the outbox."""

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import ExactDecimal, UtcDateTime

revision = "0003_ledger"
down_revision = "0002_registry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_accounts_and_breaks()
    _create_runs()


def _create_accounts_and_breaks() -> None:
    op.create_table(
        "account_standings",
        sa.Column("account_id", sa.String(length=128), nullable=False),
        sa.Column("last_run_at", UtcDateTime(), nullable=True),
        sa.Column("local_as_of", UtcDateTime(), nullable=True),
        sa.Column("broker_as_of", UtcDateTime(), nullable=True),
        sa.Column("fences", sa.JSON(), nullable=False),
        sa.Column("failed_runs", sa.Integer(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("confirm_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_standings")),
    )
    op.create_index(op.f("ix_account_standings_confirm_at"), "account_standings", ["confirm_at"])
    op.create_index(op.f("ix_account_standings_last_run_at"), "account_standings", ["last_run_at"])
    op.create_table(
        "breaks",
        sa.Column("break_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset_type", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("told_local_value", ExactDecimal(), nullable=True),
        sa.Column("told_broker_value", ExactDecimal(), nullable=True),
        sa.Column("first_seen_at", UtcDateTime(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.Column("resolved_at", UtcDateTime(), nullable=True),
        sa.Column("open_count", sa.Integer(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("change_limit", ExactDecimal(), nullable=True),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("local_value", ExactDecimal(), nullable=True),
        sa.Column("broker_value", ExactDecimal(), nullable=True),
        sa.Column("last_seen_at", UtcDateTime(), nullable=True),
        sa.Column("last_run_id", sa.Uuid(), nullable=True),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("counted_from", UtcDateTime(), nullable=True),
        sa.Column("fills_before", sa.BigInteger(), nullable=True),
        sa.Column("confirmations_asked", sa.Integer(), nullable=False),
        sa.Column("hints", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("break_id", name=op.f("pk_breaks")),
        sa.UniqueConstraint("account_id", "symbol", "asset_type", "type", "currency", name="uq_breaks_key"),
    )
    op.create_index("ix_breaks_account_id_state", "breaks", ["account_id", "state"])
    op.create_index(op.f("ix_breaks_resolved_at"), "breaks", ["resolved_at"])
    op.create_index("ix_breaks_state_first_seen_at", "breaks", ["state", "first_seen_at"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("account_id", "sequence", name=op.f("uq_outbox_account_id_sequence")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_table(
        "break_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("break_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("local_value", ExactDecimal(), nullable=True),
        sa.Column("broker_value", ExactDecimal(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=True),
        sa.Column("change_limit", ExactDecimal(), nullable=True),
        sa.Column("assignee", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["break_id"], ["breaks.break_id"], name=op.f("fk_break_events_break_id_breaks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_events")),
        sa.UniqueConstraint("break_id", "number", name=op.f("uq_break_events_break_id_number")),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.String(length=128), nullable=False),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("not_applied", sa.String(length=16), nullable=True),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("local_as_of", UtcDateTime(), nullable=True),
        sa.Column("broker_as_of", UtcDateTime(), nullable=True),
        sa.Column("tolerances", sa.JSON(), nullable=True),
        sa.Column("positions_checked", sa.Integer(), nullable=False),
        sa.Column("discrepancy_count", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("not_compared", sa.JSON(), nullable=False),
        sa.Column("error_kind", sa.String(length=32), nullable=True),
        sa.Column("error_side", sa.String(length=16), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_account_id_timestamp", "runs", ["account_id", "timestamp"])
    op.create_index(op.f("ix_runs_timestamp"), "runs", ["timestamp"])
    op.create_table(
        "discrepancies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("break_id", sa.Uuid(), nullable=False),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("asset_type", sa.String(length=16), nullable=True),
        sa.Column("currency", sa.String(length=16), nullable=True),
        sa.Column("local_value", ExactDecimal(), nullable=True),
        sa.Column("broker_value", ExactDecimal(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_discrepancies_run_id_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discrepancies")),
    )
    op.create_index("ix_discrepancies_break_id_id", "discrepancies", ["break_id", "id"])
    op.create_index(op.f("ix_discrepancies_run_id"), "discrepancies", ["run_id"])


def downgrade() -> None:
    for table in ("outbox", "discrepancies", "runs", "break_events", "breaks", "account_standings"):
        op.drop_table(table)
