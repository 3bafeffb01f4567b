"""examples/consume_events.py and `reconcile watch --breaks`, as a reader would run them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import redis

from reconciliation.adapters.database.outbox import SqlOutbox
from reconciliation.adapters.redis.event_stream import RedisEventStream
from reconciliation.usecases.relay_events import EventRelay
from tests.builders.ledger import finding, run
from tests.integration.adapters.database.books import Book, opened
from tests.support.fill_lab import PREFIX
from tests.support.places import ROOT
from tests.support.processes import Processes
from tests.support.spaces import space_of
from tests.support.waiting import wait_for

CONSUMER = ROOT / "examples" / "consume_events.py"


def make_events(book: Book, relay: EventRelay, first_turn: int, turns: int) -> None:
    for turn in range(first_turn, first_turn + turns):
        for second in (turn * 20, turn * 20 + 10):
            results = []
            for name in ("A", "B"):
                found = [finding(account_id=name)] if turn % 2 == 0 else []
                results.append(run(second, *found, account_id=name))
            book.record(*results)
        relay.publish_waiting()


def consume(url: str, position: Path, count: int) -> list[tuple[str, str, int]]:
    argv = [sys.executable, str(CONSUMER), url, str(position), str(count)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [(kind, account, int(number)) for kind, account, number, *_ in map(str.split, done.stdout.splitlines())]


def test_a_consumer_resumes_from_its_position_and_sees_each_event_once(
    sqlite_url: str, redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    position = tmp_path / "position.json"
    with opened(sqlite_url) as book:
        relay = EventRelay(SqlOutbox(book.engine), RedisEventStream(space_of(redis_client, PREFIX), max_events=10_000))
        make_events(book, relay, 0, 3)
        seen = consume(redis_url, position, 4)
        repeated: Any = redis_client.xrange("reconciliation:events")[1:5]
        for _, fields in repeated:  # as a relay does that died before it noted what it had sent
            redis_client.xadd("reconciliation:events", fields)
        make_events(book, relay, 3, 1)
        seen += consume(redis_url, position, 4)
    for name in ("A", "B"):
        assert [(kind, number) for kind, account, number in seen if account == name] == [
            ("opened", 1),
            ("resolved", 2),
            ("reopened", 3),
            ("resolved", 4),
        ]


def test_a_consumer_reports_events_that_it_can_no_longer_read(
    sqlite_url: str, redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    position = tmp_path / "position.json"
    argv = [sys.executable, str(CONSUMER), redis_url, str(position)]

    def reports(count: int) -> list[str]:
        done = subprocess.run([*argv, str(count)], capture_output=True, text=True, timeout=60, check=True)
        return done.stderr.splitlines()

    with opened(sqlite_url) as book:
        relay = EventRelay(SqlOutbox(book.engine), RedisEventStream(space_of(redis_client, PREFIX), max_events=10_000))
        make_events(book, relay, 0, 1)
        assert reports(2) == []
        make_events(book, relay, 1, 4)
        kept: Any = redis_client.xrange("reconciliation:events")
        lost = [entry_id for entry_id, fields in kept if fields["account_id"] == "A"][1:3]
        redis_client.xdel("reconciliation:events", *lost)
        assert reports(6) == [
            "account 'A': event 4 follows event 1, with a gap. See `reconcile breaks list --account A`"
        ]
        make_events(book, relay, 5, 4)
        redis_client.xtrim("reconciliation:events", maxlen=2, approximate=False)
    first, *rest = reports(2)
    assert "older than the first event of the stream" in first
    assert "`reconcile breaks list`" in first
    assert sorted(line.split(",")[0] for line in rest) == [
        "account 'A': event 9 follows event 5",
        "account 'B': event 9 follows event 5",
    ]


def test_a_new_consumer_is_told_that_the_stream_does_not_begin_with_the_first_event(
    sqlite_url: str, redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with opened(sqlite_url) as book:
        relay = EventRelay(SqlOutbox(book.engine), RedisEventStream(space_of(redis_client, PREFIX), max_events=10_000))
        make_events(book, relay, 0, 3)
        redis_client.xtrim("reconciliation:events", maxlen=2, approximate=False)
    argv = [sys.executable, str(CONSUMER), redis_url, str(tmp_path / "position.json"), "2"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert "older than the first event of the stream" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_watch_shows_the_events_of_breaks(
    sqlite_url: str, redis_url: str, redis_client: redis.Redis, processes: Processes
) -> None:
    argv = [sys.executable, "-m", "reconciliation.cli", "watch", "--breaks", "--json", "--count", "2"]
    watcher = processes.program(argv, {"redis_url": redis_url, "database_url": sqlite_url}, ready_line="Listening")
    with opened(sqlite_url) as book:
        relay = EventRelay(SqlOutbox(book.engine), RedisEventStream(space_of(redis_client, PREFIX), max_events=10_000))
        make_events(book, relay, 0, 1)
    wait_for(lambda: not watcher.is_running(), 30, "watch ends after two events")
    lines = [json.loads(line) for line in watcher.log().splitlines() if line.startswith("{")]
    assert [(line["channel"], line["payload"]["kind"]) for line in lines] == [("reconciliation:break", "opened")] * 2
