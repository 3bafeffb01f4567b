"""What Alembic runs: the connection comes from `reconciliation.adapters.database.migrate`, which holds the lock."""

from alembic import context

from reconciliation.adapters.database.tables.local_book import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    # SQLite can't alter a column in place: Alembic copies the table instead.
    render_as_batch=True,
)
context.run_migrations()
