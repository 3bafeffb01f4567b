"""The default local book: accounts with cash and equity, and their positions."""

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import AssetTypeName, ExactDecimal, UtcDateTime

revision = "0001_local_book"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "local_accounts",
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("cash", ExactDecimal(), nullable=True),
        sa.Column("equity", ExactDecimal(), nullable=True),
        sa.Column("currency", sa.String(16), nullable=True),
        sa.Column("cash_by_currency", sa.JSON(), nullable=True),
        sa.Column("as_of", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_local_accounts")),
    )
    op.create_table(
        "local_positions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("symbol", sa.String(128), nullable=False),
        sa.Column("asset_type", AssetTypeName(), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=False),
        sa.Column("avg_cost", ExactDecimal(), nullable=True),
        sa.Column("currency", sa.String(16), nullable=True),
        sa.Column("multiplier", ExactDecimal(), nullable=True),
        sa.Column("identifiers", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_local_positions")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["local_accounts.account_id"],
            name=op.f("fk_local_positions_account_id_local_accounts"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_local_positions_account_id"), "local_positions", ["account_id"])


def downgrade() -> None:
    op.drop_table("local_positions")
    op.drop_table("local_accounts")
