"""The value at stake of findings and breaks, and what groups of breaks are made by."""

import sqlalchemy as sa
from alembic import op

from reconciliation.adapters.database.column_types import ExactDecimal

revision = "0008_value_at_stake"
down_revision = "0007_greatest_ages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("discrepancies", "breaks"):
        op.add_column(table, sa.Column("value_at_stake", ExactDecimal(), nullable=True))
        op.add_column(table, sa.Column("value_currency", sa.String(16), nullable=True))
        op.add_column(table, sa.Column("value_basis", sa.String(16), nullable=True))
    op.add_column("breaks", sa.Column("value_order", sa.Double(), nullable=False, server_default="-1.0"))
    op.add_column("breaks", sa.Column("cause", sa.String(32), nullable=False, server_default=""))
    op.add_column("breaks", sa.Column("ratio", sa.String(16), nullable=False, server_default=""))
    op.create_index("ix_break_events_actor_at", "break_events", ["actor", "at"])


def downgrade() -> None:
    op.drop_index("ix_break_events_actor_at", "break_events")
    for name in ("ratio", "cause", "value_order"):
        op.drop_column("breaks", name)
    for table in ("discrepancies", "breaks"):
        for name in ("value_basis", "value_currency", "value_at_stake"):
            op.drop_column(table, name)
