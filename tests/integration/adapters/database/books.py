"""A ledger on a database of its own, and short ways to ask what it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

from reconciliation.adapters.database.announcements import announce_conditions
from reconciliation.adapters.database.engine import build_engine, read_transaction
from reconciliation.adapters.database.ledger import SqlLedger
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.ports.run_ledger import Recording
from tests.builders.ledger import after


class Book:
    """One database, and the ledger on it."""

    def __init__(self, url: str, policy: BreakPolicy | None = None) -> None:
        self.url = url
        self.engine = build_engine(url)
        self.policy = policy or BreakPolicy()
        self.ledger = SqlLedger(self.engine, policy=self.policy)

    def record(self, *results: ReconciliationResult, **facts: Any) -> Recording:
        return self.ledger.record([RecordedRun(result=result, **facts) for result in results])

    def announce(self, second: float) -> int:
        """Queue the events of conditions, as beat's check does."""
        return announce_conditions(self.engine, after(second), flood_cap=self.policy.flood_cap)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with read_transaction(self.engine) as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def events(self) -> list[str]:
        """What waits in the outbox, in order."""
        return [kind for (kind,) in self.rows("SELECT kind FROM outbox ORDER BY id")]

    def states(self) -> dict[str, str]:
        return dict(self.rows("SELECT symbol, state FROM breaks ORDER BY symbol"))


@contextmanager
def opened(url: str, policy: BreakPolicy | None = None) -> Iterator[Book]:
    book = Book(url, policy)
    try:
        yield book
    finally:
        book.engine.dispose()


@contextmanager
def counted_statements(engine: Engine) -> Iterator[list[str]]:
    """Collect every statement sent to the database; one bulk statement counts once."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)
