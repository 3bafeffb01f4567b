"""The registry: accounts of the schedule, their labels, connections."""

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import ExactDecimal, UtcDateTime

revision = "0002_registry"
down_revision = "0001_local_book"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("connection", sa.String(128), nullable=False),
        sa.Column("broker_account_id", sa.String(128), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("interval_seconds", sa.Double(), nullable=True),
        sa.Column("cash_tolerance", ExactDecimal(), nullable=True),
        sa.Column("equity_tolerance_pct", ExactDecimal(), nullable=True),
        sa.Column("tolerances", sa.JSON(), nullable=True),
        sa.Column("post_fill_delay_seconds", sa.Double(), nullable=True),
        sa.Column("post_fill_max_wait_seconds", sa.Double(), nullable=True),
        sa.Column("read_timeout_seconds", sa.Double(), nullable=True),
        sa.Column("currency", sa.String(16), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_connection"), "accounts", ["connection"])
    op.create_index(op.f("ix_accounts_revision"), "accounts", ["revision"])
    op.create_table(
        "account_labels",
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("label", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "label", name=op.f("pk_account_labels")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.account_id"],
            name=op.f("fk_account_labels_account_id_accounts"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_account_labels_label"), "account_labels", ["label"])
    op.create_table(
        "connections",
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("broker", sa.String(128), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("requests_per_second", sa.Double(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_connections")),
    )
    op.create_table(
        "removed_accounts",
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_removed_accounts")),
    )
    op.create_index(op.f("ix_removed_accounts_revision"), "removed_accounts", ["revision"])
    state = op.create_table(
        "registry_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_state")),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0}])


def downgrade() -> None:
    op.drop_table("registry_state")
    op.drop_table("removed_accounts")
    op.drop_table("connections")
    op.drop_table("account_labels")
    op.drop_table("accounts")
