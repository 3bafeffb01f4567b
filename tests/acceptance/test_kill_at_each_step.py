"""kill -9 at each step between reading and publishing: what was committed is told, and nothing else is."""

import json
import multiprocessing
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import insert

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.bootstrap import open_parts
from reconciliation.settings import Settings
from tests.acceptance import mortal_run
from tests.builders.accounts import ANY_ACCOUNT, register
from tests.integration.adapters.database.books import Book, opened
from tests.support.processes import Processes
from tests.support.waiting import wait_for

ACCOUNTS = ("A", "B")
SYMBOLS = ("AAPL", "IBM", "MSFT")
#: Forks from a server that has loaded everything once: a start takes milliseconds, not seconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.acceptance.mortal_run"])


@pytest.fixture(params=["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, redis_url: str) -> dict[str, Any]:
    database_url = request.getfixturevalue(request.param)
    with opened(database_url) as book:
        keep_positions(book)
    register(database_url, *ACCOUNTS)
    return {"database_url": database_url, "redis_url": redis_url, "break_confirmations": 1, **ANY_ACCOUNT}


def keep_positions(book: Book) -> None:
    """Fill our book with what the paper broker does not have: each position is a break."""
    with write_transaction(book.engine) as connection:
        connection.execute(insert(Account), [{"account_id": name} for name in ACCOUNTS])
        rows = [
            {"account_id": name, "symbol": symbol, "asset_type": "stock", "quantity": 10}
            for name in ACCOUNTS
            for symbol in SYMBOLS
        ]
        connection.execute(insert(Position), rows)


def run_and_die(settings: dict[str, Any], step: str, run_id: str) -> None:
    doomed = FORKS.Process(target=mortal_run.main, args=(settings, step, run_id, ACCOUNTS))
    doomed.start()
    doomed.join(60)
    assert doomed.exitcode == -9


def repair(settings: dict[str, Any], run_id: str) -> None:
    """Deliver the message again and let the relay tick, in a process that lives."""
    with open_parts(Settings(**settings)) as parts:
        mortal_run.sweep(parts, run_id, ACCOUNTS)
        parts.run_follow_up.repair()


def stream(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(fields["payload"]) for _, fields in client.xrange("reconciliation:events")]


@pytest.mark.parametrize("step", mortal_run.STEPS)
def test_after_a_kill_every_committed_event_is_published_and_no_other(
    settings: dict[str, Any], redis_client: redis.Redis, step: str
) -> None:
    run_id = str(uuid4())
    run_and_die(settings, step, run_id)
    with opened(settings["database_url"]) as book:
        committed = book.rows("SELECT count(*) FROM runs")[0][0]
        assert committed == (0 if step in mortal_run.STEPS[:2] else len(ACCOUNTS))
        if not committed:
            assert stream(redis_client) == []
        repair(settings, run_id)
        events = stream(redis_client)
        kept = book.rows("SELECT b.account_id, e.number FROM break_events e JOIN breaks b ON b.break_id = e.break_id")
        assert book.rows("SELECT count(*) FROM outbox") == [(0,)]
        assert book.rows("SELECT count(*) FROM runs") == [(len(ACCOUNTS),)]
    seen = list({event["event_id"]: event for event in events}.values())
    assert len(seen) == len(kept) == len(ACCOUNTS) * len(SYMBOLS)
    for name in ACCOUNTS:
        own = [
            (event["sequence"], event["kind"], event["break"]["symbol"])
            for event in seen
            if event["account_id"] == name
        ]
        assert own == [(1, "opened", "AAPL"), (2, "opened", "IBM"), (3, "opened", "MSFT")]
    assert (len(events) > len(seen)) == (step in mortal_run.STEPS[3:6])


def test_a_killed_worker_is_repaired_by_another_one_and_beat(
    settings: dict[str, Any], redis_client: redis.Redis, processes: Processes
) -> None:
    run_and_die(settings, "published in part", str(uuid4()))
    assert 0 < len(stream(redis_client)) < len(ACCOUNTS) * len(SYMBOLS)
    processes.worker(settings, queues=["reconciliation.control"], wait=False)
    processes.beat(settings, wait=False)
    wait_for(lambda: len({event["event_id"] for event in stream(redis_client)}) == 6, 60, "the relay repairs")
