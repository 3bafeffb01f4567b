"""Our tables, by SQLAlchemy."""
