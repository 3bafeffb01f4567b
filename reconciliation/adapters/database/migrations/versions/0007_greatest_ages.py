"""An account's own greatest ages of what its sides say."""

import sqlalchemy as sa
from alembic import op

revision = "0007_greatest_ages"
down_revision = "0006_account_health"
branch_labels = None
depends_on = None

_COLUMNS = ("max_broker_age_seconds", "max_statement_age_business_days", "max_local_age_business_days")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("accounts", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("accounts", name)
