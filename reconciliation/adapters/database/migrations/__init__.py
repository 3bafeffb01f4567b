"""Alembic's folder: `versions/` holds one file per migration, in one chain."""
