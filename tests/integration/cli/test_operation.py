"""`reconcile run`, `watch` and `check` against real servers, and against servers that are away or unfit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from reconciliation.cli import cli
from tests.support.processes import Processes, environment
from tests.support.waiting import wait_for

AWAY = "redis://127.0.0.1:1/0"
PASSWORD = "pl4nted"
RESULT = {
    "run_id": "r-1", "account_id": "A-1", "timestamp": "2026-11-22T10:00:00+00:00", "is_clean": True,
    "outcome": "clean", "discrepancy_count": 0, "positions_checked": 3, "duration_ms": 1.5,
    "context": {}, "not_compared": [], "error": None,
}  # fmt: skip


@pytest.fixture
def settings(redis_url: str, sqlite_url: str) -> dict[str, str]:
    return {"redis_url": redis_url, "database_url": sqlite_url}


@pytest.fixture
def reconcile(settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, **changed: str) -> Result:
        for name, value in (settings | changed).items():
            monkeypatch.setenv(f"RECONCILIATION_{name.upper()}", value)
        return CliRunner().invoke(cli, arguments)

    return invoke


def verdicts(result: Result) -> dict[str, dict[str, str]]:
    return {finding["part"]: finding for finding in json.loads(result.stdout)}


def test_a_run_here_is_published_and_its_outcome_is_the_exit_status(reconcile, redis_client: redis.Redis):
    with redis_client.pubsub(ignore_subscribe_messages=True) as results:
        results.subscribe("reconciliation:result")
        made = reconcile("run", "A-1", "--json", "--context", '{"by": "me"}')
        assert made.exit_code == 3
        said = json.loads(made.stdout)["result"]
        heard = json.loads(wait_for(lambda: results.get_message(timeout=0.1))["data"])
    assert heard == said
    assert said["context"] == {"by": "me"}
    assert said["error"]["side"] == "registry"
    assert json.loads(made.stdout)["not_applied"] == "incomplete"
    assert "no break was changed: one side could not be read" in reconcile("run", "A-1").stdout


@pytest.mark.parametrize("arguments", [("run", "A-1"), ("run", "A-1", "--enqueue")])
def test_a_redis_that_is_away_is_said_in_a_sentence(reconcile, arguments):
    result = reconcile(*arguments, redis_url=AWAY)
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: ")
    assert "redis://127.0.0.1:1/0" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_password_is_said_without_the_password(reconcile, redis_client: redis.Redis, redis_url: str):
    redis_client.config_set("requirepass", "right")
    try:
        wrong = redis_url.replace("redis://", f"redis://:{PASSWORD}@")
        asked = reconcile("run", "A-1", "--enqueue", redis_url=wrong)
        checked = reconcile("check", "--no-worker", "--json", redis_url=wrong)
    finally:
        redis_client.config_set("requirepass", "")
    assert asked.exit_code == 4
    assert checked.exit_code == 1
    assert "refuses the password" in verdicts(checked)["redis"]["found"]
    assert PASSWORD not in asked.output + checked.output


def test_waiting_without_a_worker_ends_in_a_clear_time_out(reconcile):
    result = reconcile("run", "A-1", "--enqueue", "--timeout-seconds", "0.5")
    assert result.exit_code == 3
    assert "within 0.5 s: no worker answers; start one with" in result.stderr


def test_a_context_that_is_no_json_object_is_wrong_usage(reconcile):
    for context, sentence in (("{", "--context is not JSON"), ("[1]", "context is a list")):
        result = reconcile("run", "A-1", "--context", context)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_check_says_what_is_wrong_with_each_part_and_goes_on(reconcile, tmp_path: Path):
    result = reconcile(
        "check", "--json", redis_url=AWAY, database_url=f"sqlite:///{tmp_path / 'empty.db'}", broker="nobody"
    )
    assert result.exit_code == 1
    found = verdicts(result)
    assert {part for part in found if found[part]["verdict"] == "failed"} == {
        "database",
        "migrations",
        "redis",
        "broker",
    }
    assert found["migrations"]["remedy"] == "run `reconcile migrate`"
    assert "check that it runs" in found["redis"]["remedy"]
    assert found["work"]["verdict"] == "skipped"


def test_check_passes_where_all_is_well_and_warns_about_what_is_not_kept(reconcile):
    result = reconcile("check", "--no-worker", "--json")
    assert result.exit_code == 0, result.stdout
    found = verdicts(result)
    assert found["redis"]["verdict"] == "warning"
    assert found["redis"]["remedy"] == "set `appendonly yes`"
    assert found["work"]["verdict"] == "skipped"


def test_check_fails_for_a_redis_that_throws_keys_away(reconcile, own_redis: RedisServer):
    with connect(own_redis.url, 5) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    result = reconcile("check", "--no-worker", "--json", redis_url=own_redis.url)
    assert result.exit_code == 1
    assert "'allkeys-lru'" in verdicts(result)["redis"]["found"]


def test_watch_survives_a_redis_that_goes_and_comes(
    settings, own_redis: RedisServer, processes: Processes, tmp_path: Path
):
    argv = [sys.executable, "-m", "reconciliation.cli", "watch", "--json", "--count", "2", "--account", "A-1"]
    own_redis.stop()
    watching = processes.program(
        argv, settings | {"redis_url": own_redis.url, "redis_timeout_seconds": 1}, ready_line="trying again until"
    )
    own_redis.start()
    for number in range(2):
        wait_for(lambda expected=number + 1: watching.log().count("Listening\n") == expected)
        with connect(own_redis.url, 5) as client:
            client.publish("reconciliation:result", "not ours")
            client.publish("reconciliation:result", json.dumps(RESULT | {"account_id": "B-2"}))
            client.publish("reconciliation:result", json.dumps(RESULT | {"run_id": f"r-{number}"}))
        if number == 0:
            watching.wait_for_log('"r-0"')
            own_redis.kill()
            own_redis.start()
    assert watching.child.wait(30) == 0
    lines = [json.loads(line) for line in watching.log().splitlines() if line.startswith("{")]
    assert [line["payload"]["run_id"] for line in lines] == ["r-0", "r-1"]
    assert {line["channel"] for line in lines} == {"reconciliation:result"}


def test_watch_ends_quietly_when_its_reader_leaves(settings, redis_client: redis.Redis, tmp_path: Path):
    argv = [sys.executable, "-m", "reconciliation.cli", "watch", "--json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, cwd=tmp_path, env=environment(settings), **streams) as watching:
        assert watching.stderr.readline() == "Listening\n"
        watching.stdout.close()
        wait_for(lambda: redis_client.publish("reconciliation:result", json.dumps(RESULT)) == 0)
        assert watching.wait(30) == 141
        assert watching.stderr.read() == ""
