"""Fixtures that every tier shares."""

from tests.databases import (  # noqa: F401 - pytest finds fixtures by their names here
    database_url,
    empty_database_url,
    empty_postgres_url,
    migrated_postgres_server,
    migrated_sqlite_file,
    postgres_server,
    postgres_url,
    sqlite_url,
)
