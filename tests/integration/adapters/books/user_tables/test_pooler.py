"""Users' own tables behind PgBouncer: nothing that it refuses stands in the packet that opens the connection."""

import pytest
from sqlalchemy import text

from reconciliation.adapters.books.user_tables.database import UserDatabase
from reconciliation.errors import BadData


def test_limits_are_set_by_a_statement_of_the_transaction(postgres_url: str) -> None:
    database = UserDatabase(postgres_url, statement_timeout_seconds=7)
    with database.snapshot() as connection:
        asked = text(
            "SELECT name, setting, source FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')"
        )
        found = sorted(tuple(row) for row in connection.execute(asked))
        assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "repeatable read"
    # What came in the opening packet has the source `client`.
    assert found == [("lock_timeout", "7000", "session"), ("statement_timeout", "7000", "session")]
    database.close()


def test_a_write_is_refused_all_the_same(postgres_url: str) -> None:
    database = UserDatabase(postgres_url, statement_timeout_seconds=7)
    with pytest.raises(BadData, match="tried to write"), database.snapshot() as connection:
        connection.execute(text("CREATE TABLE forbidden (id int)"))
    database.close()
