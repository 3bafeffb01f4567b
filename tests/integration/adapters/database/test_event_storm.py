"""A login of many accounts is down, returns, and lists nothing: few events, with real breaks of others between them."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.missed_slots import SqlMissedSlots
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.domain.model.models import DiscrepancyType
from tests.builders.ledger import after, failed_run, finding, run
from tests.integration.adapters.database.books import Book, opened

SWEEP = 200
OTHERS = 40
INTERVAL = 300


@pytest.fixture
def book(database_url: str) -> Iterator[Book]:
    with opened(database_url) as book:
        yield book


class Storm:
    def __init__(self, book: Book, accounts: int) -> None:
        self._book = book
        self._slots = SqlMissedSlots(book.engine, policy=book.policy, interval_seconds=INTERVAL)
        self._big = [f"BIG{number}" for number in range(accounts)]
        self._others = [f"O{number}" for number in range(OTHERS)]
        rows = [
            {"account_id": name, "connection": "big" if name in set(self._big) else "other", "revision": 1}
            for name in (*self._big[:1], *self._others)
        ]
        rows += [{"account_id": name, "connection": "big", "revision": 1} for name in self._big[1:]]
        with write_transaction(book.engine) as connection:
            connection.execute(insert(AccountRow), [{**row, "scheduled_at": after(0)} for row in rows])
        self.now = 0.0

    def round(self, kind: str, *, breaks: int = 0) -> None:
        """Let each account have its run, spread over the interval, and look at the conditions every now and then."""
        sweeps = [self._big[first : first + SWEEP] for first in range(0, len(self._big), SWEEP)]
        for sweep in sweeps:
            self.now += INTERVAL / len(sweeps)
            facts: dict[str, Any] = {"connection": "big", "lists_nothing": kind == "flat"}
            self._book.record(*(self._run(kind, name) for name in sweep), **facts)
            self._slots.check(after(self.now))
        found = [[finding(account_id=name)] if number < breaks else [] for number, name in enumerate(self._others)]
        results = [run(self.now, *one, account_id=name) for one, name in zip(found, self._others, strict=True)]
        self._book.record(*results, connection="other")

    def _run(self, kind: str, name: str) -> Any:
        if kind == "down":
            return failed_run(self.now, account_id=name)
        missing = finding(broker=None, kind=DiscrepancyType.MISSING_BROKER, account_id=name)
        return run(self.now, *([missing] if kind == "flat" else []), account_id=name)


@pytest.mark.parametrize("accounts", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_storm_is_few_events_and_each_real_break_is_told_once(book: Book, accounts: int) -> None:
    storm = Storm(book, accounts)
    storm.round("clean")
    for number in range(4):
        storm.round("down", breaks=10 * number)
    for _ in range(2):
        storm.round("clean", breaks=OTHERS)
    for _ in range(2):
        storm.round("flat", breaks=OTHERS)
    for _ in range(2):
        storm.round("clean", breaks=OTHERS)

    told = book.rows("SELECT account_id, kind FROM outbox ORDER BY id")
    opened_breaks = sorted(name for name, kind in told if kind == "opened")
    assert opened_breaks == sorted(f"O{number}" for number in range(OTHERS))
    storm_events = [kind for name, kind in told if kind != "opened"]
    assert list(dict.fromkeys(storm_events)) == ["could_not_run", "runs_recovered", "lists_nothing", "lists_again"]
    assert len(storm_events) <= 20  # published again each time the number of accounts had doubled
