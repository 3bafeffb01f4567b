"""`reconcile check` names each fault, each made for real, and is green only where the system can work and does."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import time
from uuid import uuid4

import pytest
import redis
from sqlalchemy import insert, make_url, text, update

from reconciliation.adapters.database.engine import build_engine, write_transaction
from reconciliation.adapters.database.tables.ledger import AccountHealthRow, OutboxRow
from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.heartbeats import BEAT, TICK
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.runs import utc_now
from reconciliation.errors import Unavailable
from reconciliation.operations.health import check_everything
from reconciliation.operations.verdicts import Finding, Verdict
from reconciliation.settings import Settings
from tests.support.processes import environment

Check = Callable[..., dict[str, Finding]]


@pytest.fixture
def settings(redis_url: str, sqlite_url: str) -> Settings:
    return Settings(redis_url=redis_url, database_url=sqlite_url)


@pytest.fixture
def parts(settings: Settings) -> Iterator[Bootstrap]:
    with open_parts(settings) as parts:
        yield parts


def check(settings: Settings, **arguments: object) -> dict[str, Finding]:
    given = {"account_id": None, "ask_worker": True} | arguments
    return {finding.part: finding for finding in check_everything(settings, **given)}  # type: ignore[arg-type]


def test_without_beat_and_workers_each_part_that_they_do_fails(settings: Settings) -> None:
    found = check(settings)
    assert {part for part, finding in found.items() if finding.verdict is Verdict.FAILED} == {
        "beat",
        "schedule",
        "queues",
    }
    assert "no beat ticks" in found["beat"].found
    assert "no worker answers" in found["queues"].found
    assert check(settings, ask_worker=False).keys() >= {"database", "redis", "work"}


def test_a_beat_that_ticked_long_ago_is_dead(settings: Settings, parts: Bootstrap, redis_client: redis.Redis) -> None:
    parts.coordination.heartbeats.record(BEAT, "host-a:1")
    assert check(settings)["beat"].verdict is Verdict.OK
    sign = f'{{"at": {round(time() * 1000) - 300_000}, "skew_ms": 0}}'
    redis_client.hset("reconciliation:heartbeats", "beat host-a:1", sign)
    found = check(settings)["beat"]
    assert found.verdict is Verdict.FAILED
    assert "5 min ago" in found.found


def test_a_clock_that_is_off_is_named_with_its_host(settings: Settings, parts: Bootstrap) -> None:
    assert check(settings)["clocks"].verdict is Verdict.OK
    parts.coordination.heartbeats._script.call(TICK, "host-b", round(time() * 1000) - 6_000)
    found = check(settings)["clocks"]
    assert found.verdict is Verdict.FAILED
    assert "host-b is 6 s behind" in found.found


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), "out of memory"),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), "NOREPLICAS"),
        (("REPLICAOF", "127.0.0.1", "1"), "replica"),
    ],
)
def test_a_redis_that_takes_no_write_fails(
    own_redis: RedisServer, sqlite_url: str, command: tuple[str, ...], sentence: str
) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.execute_command(*command)
    found = check(Settings(redis_url=own_redis.url, database_url=sqlite_url), ask_worker=False)["redis"]
    assert found.verdict is Verdict.FAILED
    assert sentence in f"{found.found} {found.remedy}"


def test_revoked_rights_fail_and_name_the_table(redis_url: str, postgres_url: str) -> None:
    role = f"limited_{uuid4().hex[:8]}"
    engine = build_engine(postgres_url)
    with write_transaction(engine) as db:
        db.execute(text(f"CREATE ROLE {role} LOGIN"))
        db.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"))
    limited = make_url(postgres_url).set(username=role).render_as_string(hide_password=False)
    settings = Settings(redis_url=redis_url, database_url=limited)
    assert check(settings, ask_worker=False)["database"].verdict is Verdict.OK
    with write_transaction(engine) as db:
        db.execute(text(f"REVOKE INSERT ON runs FROM {role}"))
    found = check(settings, ask_worker=False)["database"]
    assert found.verdict is Verdict.FAILED
    assert "runs" in found.found
    with write_transaction(engine) as db:
        db.execute(text(f"REVOKE ALL ON registry_state FROM {role}"))
    assert "permission denied" in str(check(settings, ask_worker=False)["database"])
    with write_transaction(engine) as db:
        db.execute(text(f"DROP OWNED BY {role}"))
        db.execute(text(f"DROP ROLE {role}"))
    engine.dispose()


def test_a_full_disk_fails(redis_url: str, sqlite_url: str, tmp_path: Path) -> None:
    """No file may grow: what a full disk is to SQLite."""
    argv = [sys.executable, "-m", "reconciliation.cli", "check", "--no-worker"]
    variables = environment({"redis_url": redis_url, "database_url": sqlite_url})
    command = ["bash", "-c", 'ulimit -f 0; "$@"', "bash", *argv]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert any(line.startswith("database") and "failed" in line for line in done.stdout.splitlines()), done.stdout


def test_events_that_wait_for_long_fail(settings: Settings, parts: Bootstrap) -> None:
    with write_transaction(parts.stores.engine) as db:
        row = {"event_id": uuid4(), "account_id": "A", "sequence": 1, "kind": "opened", "payload": {}}
        db.execute(insert(OutboxRow).values(**row, created_at=utc_now() - timedelta(minutes=10)))
    found = check(settings)["events"]
    assert found.verdict is Verdict.FAILED
    assert "1 event wait to be published, the oldest since 10 min" in found.found


def test_a_reader_that_is_far_behind_fails(redis_url: str, sqlite_url: str, redis_client: redis.Redis) -> None:
    settings = Settings(redis_url=redis_url, database_url=sqlite_url, event_stream_max_events=1000)
    assert check(settings)["readers"].verdict is Verdict.OK
    redis_client.xgroup_create("reconciliation:events", "pager", id="0", mkstream=True)
    for unread in range(1, 502):
        redis_client.xadd("reconciliation:events", {"kind": "opened"})
        if unread == 500:
            found = check(settings)["readers"]
            assert (found.verdict, found.found) == (
                Verdict.OK,
                "consumer group 'pager' has not read 500 events; the stream keeps about 1000",
            )
    found = check(settings)["readers"]
    assert found.verdict is Verdict.FAILED
    assert "has not read 501 events" in found.found
    assert "XGROUP DESTROY reconciliation:events pager" in str(found.remedy)


def test_an_account_without_a_complete_run_in_time_fails(settings: Settings, parts: Bootstrap) -> None:
    parts.stores.registry.add([RegisteredAccount(account_id="A", interval_seconds=60.0)])
    assert check(settings)["accounts"].verdict is Verdict.WARNING
    parts.stores.registry.note_scheduled(["A"], utc_now() - timedelta(seconds=90))
    assert check(settings)["accounts"].verdict is Verdict.OK
    assert check(settings, fail_if_older=timedelta(minutes=1))["accounts"].verdict is Verdict.FAILED

    parts.stores.registry.note_scheduled(["A"], utc_now() - timedelta(hours=1))
    found = check(settings)["accounts"]
    assert found.verdict is Verdict.FAILED
    assert "no complete run of A; the oldest is 60 min ago" in found.found
    assert check(settings, fail_if_older=timedelta(hours=2))["accounts"].verdict is Verdict.OK


def test_runs_that_fail_do_not_count_as_complete(settings: Settings, parts: Bootstrap) -> None:
    parts.stores.registry.add([RegisteredAccount(account_id="A", interval_seconds=60.0)])
    parts.stores.registry.note_scheduled(["A"], utc_now() - timedelta(hours=1))
    health = {"account_id": "A", "last_run_at": utc_now(), "fences": {}, "failed_runs": 0, "sequence": 0}
    with write_transaction(parts.stores.engine) as db:
        db.execute(insert(AccountHealthRow).values(**health))
    assert check(settings)["accounts"].verdict is Verdict.OK
    with write_transaction(parts.stores.engine) as db:
        db.execute(update(AccountHealthRow).values(failed_runs=3))
    assert check(settings)["accounts"].verdict is Verdict.FAILED
    with write_transaction(parts.stores.engine) as db:
        db.execute(update(AccountRow).values(enabled=False))
    assert check(settings)["accounts"].verdict is Verdict.OK


def test_a_paused_login_fails_with_its_cause(settings: Settings, parts: Bootstrap) -> None:
    parts.stores.connection_store.add(Connection(name="alpaca-1", broker="paper"))
    for _ in range(5):
        parts.coordination.circuit_breaker.report("alpaca-1", [Unavailable("login refused")], succeeded=False)
    found = check(settings)["connections"]
    assert found.verdict is Verdict.FAILED
    assert "'alpaca-1' keeps failing" in found.found
    assert "login refused" in f"{found.found} {found.remedy}"


def test_an_account_is_read_over_its_own_connection(settings: Settings, parts: Bootstrap) -> None:
    secrets = {"api_key": "env:NO_SUCH_KEY", "api_secret": "env:NO_SUCH_SECRET"}
    parts.stores.connection_store.add(Connection(name="alpaca-1", broker="alpaca", secrets=secrets))
    parts.stores.registry.add([RegisteredAccount(account_id="A", connection="alpaca-1")])
    found = check(settings, account_id="A", ask_worker=False)["broker"]
    assert found.verdict is Verdict.FAILED
    assert "NO_SUCH" in f"{found.found} {found.remedy}"
