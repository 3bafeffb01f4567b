"""An account's own back-off and lease of its post-fill runs."""

import sqlalchemy as sa
from alembic import op

revision = "0005_fill_times"
down_revision = "0004_symbols"
branch_labels = None
depends_on = None

_COLUMNS = ("post_fill_backoff_seconds", "post_fill_max_backoff_seconds", "run_lease_seconds")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("accounts", sa.Column(name, sa.Double(), nullable=True))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("accounts", name)
