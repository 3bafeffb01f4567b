"""`reconcile up`: everything on one machine, found by one line of JSON, and gone with it however it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ended import is_gone
from tests.support.processes import environment
from tests.support.waiting import wait_for

RECONCILE = [sys.executable, "-m", "reconciliation.cli"]
PAPER = {"broker": "paper", "broker_options": json.dumps({"accounts": {"A-1": {}}})}
POSITIONS = "account_id,symbol,asset_type,quantity,avg_cost\nA-1,AAPL,stock,10,150\n"


@contextmanager
def up(directory: Path) -> Iterator[tuple[subprocess.Popen, dict]]:
    """Run `reconcile up` and give what it said when it was ready."""
    argv = [*RECONCILE, "up", "--port", "0", "--concurrency", "1", "--json"]
    with subprocess.Popen(argv, cwd=directory, env=environment(PAPER), stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line, "ended before it was ready"
            yield process, json.loads(line)
        finally:
            process.kill()


def reconcile(directory: Path, ready: dict, *arguments: str) -> subprocess.CompletedProcess:
    env = environment(PAPER) | ready["environment"]
    return subprocess.run(
        [*RECONCILE, *arguments], cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def descendants(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting.extend(below)
    return found


@pytest.mark.slow  # `make demo` goes the same way
def test_a_stranger_loads_a_book_and_gets_a_run_through_the_worker_and_state_is_kept(tmp_path: Path):
    (tmp_path / "positions.csv").write_text(POSITIONS)
    with up(tmp_path) as (process, ready):
        assert reconcile(tmp_path, ready, "import", "positions.csv").returncode == 0
        assert reconcile(tmp_path, ready, "check", "--account", "A-1").returncode == 0
        asked = reconcile(tmp_path, ready, "run", "A-1", "--enqueue", "--json")
        assert asked.returncode == 1, asked.stderr
        answer = json.loads(asked.stdout)
        assert answer["result"]["outcome"] == "discrepancies"
        assert {found["type"] for found in answer["discrepancies"]} == {"missing_broker"}
        second = reconcile(tmp_path, {"environment": {}}, "up", "--port", "0")
        assert second.returncode == 2
        assert "is in use by another running server" in second.stderr
        below = descendants(process.pid)
        assert len(below) >= 4  # Redis, worker and its child, beat
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
        wait_for(lambda: all(is_gone(pid) for pid in below), timeout_seconds=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".reconcile", "positions.csv"]


def test_nothing_outlives_it_when_it_is_killed(tmp_path: Path):
    with up(tmp_path) as (process, _):
        below = descendants(process.pid)
        assert len(below) >= 4
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: all(is_gone(pid) for pid in below), timeout_seconds=2)
