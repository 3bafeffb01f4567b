"""Symbol mappings: which symbol of a broker is which local one, from when to when."""

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import AssetTypeName

revision = "0004_symbols"
down_revision = "0003_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "symbol_mappings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("broker", sa.String(128), nullable=False),
        sa.Column("broker_symbol", sa.String(128), nullable=False),
        sa.Column("local_symbol", sa.String(128), nullable=False),
        sa.Column("asset_type", AssetTypeName(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_symbol_mappings")),
    )
    op.create_index(op.f("ix_symbol_mappings_broker_symbol"), "symbol_mappings", ["broker_symbol"])


def downgrade() -> None:
    op.drop_table("symbol_mappings")
