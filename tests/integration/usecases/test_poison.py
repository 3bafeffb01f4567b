"""Accounts whose data make our own code raise: each ends by itself, and touches none of its sweep."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.adapters.database.tables.local_book import Account
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.runs import RunRequest
from reconciliation.settings import Settings
from tests.acceptance.schedule.poison_broker import OPENER

CLEAN = [f"GOOD-{number}" for number in range(5)]


@pytest.fixture
def parts(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[Bootstrap]:
    with open_parts(Settings(redis_url=redis_url, database_url=database_url)) as parts:
        connection = Connection(name="poison", broker=OPENER, options={"directory": str(tmp_path)})
        parts.stores.connection_store.add(connection)
        yield parts


def sweep(parts: Bootstrap, account_ids: list[str]) -> dict[str, int]:
    """Make one sweep of one asked run an account."""
    parts.stores.registry.add(
        RegisteredAccount(account_id=name, connection="poison", enabled=False) for name in account_ids
    )
    with write_transaction(parts.stores.engine) as db:
        db.execute(insert(Account), [{"account_id": name, "cash": 1, "equity": 1} for name in account_ids])
    parts.account_mirror.refresh()
    parts.coordination.due_queue.enqueue(
        [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in account_ids]
    )
    claims = parts.coordination.due_queue.claim(limit=100, share=100, lease_ms=60_000)
    return parts.run(parts.sweeper().sweep([(claim.entry, claim.fence) for claim in claims]))


@pytest.mark.parametrize("poison", ["TRAP-1", "FOREIGN-1"])
def test_an_answer_that_makes_our_code_raise_ends_its_own_run_only(parts: Bootstrap, poison: str) -> None:
    assert sweep(parts, [*CLEAN[:2], poison, *CLEAN[2:]]) == {"clean": len(CLEAN), "incomplete": 1}

    with read_transaction(parts.stores.engine) as db:
        runs = {run.account_id: run for run in db.execute(select(RunRow.__table__))}
    assert runs[poison].outcome == "incomplete"
    assert runs[poison].error_message


@pytest.mark.parametrize("poison", ["NUL-1", "SURROGATE-1"])
def test_a_finding_that_the_database_refuses_ends_its_own_run_only(parts: Bootstrap, poison: str) -> None:
    tally = sweep(parts, [*CLEAN[:2], poison, *CLEAN[2:]])

    # SQLite stores a NUL; nothing else stores either of them.
    stored = parts.stores.engine.dialect.name == "sqlite" and poison == "NUL-1"
    assert tally == {"clean": len(CLEAN), "discrepancies" if stored else "incomplete": 1}
    with read_transaction(parts.stores.engine) as db:
        runs = {run.account_id: run for run in db.execute(select(RunRow.__table__))}
    assert {runs[name].outcome for name in CLEAN} == {"clean"}
    assert stored or "cannot be recorded" in runs[poison].error_message
