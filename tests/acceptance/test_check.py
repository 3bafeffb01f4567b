"""`reconcile check` beside real workers and beats: green while they work, and red for each that is gone."""

from pathlib import Path
from typing import Any

import pytest

from reconciliation.operations import liveness
from reconciliation.operations.health import check_everything
from reconciliation.operations.verdicts import Verdict
from reconciliation.settings import Settings
from tests.support.processes import Processes
from tests.support.waiting import wait_for


def failed(settings: dict[str, Any]) -> set[str]:
    findings = check_everything(Settings(**settings), account_id=None, ask_worker=True)
    return {finding.part for finding in findings if finding.verdict is Verdict.FAILED}


def test_check_is_green_with_beat_and_workers_and_red_without(
    redis_url: str, sqlite_url: str, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "MAX_TICK_AGE_SECONDS", 5.0)
    settings = {"redis_url": redis_url, "database_url": sqlite_url, "beat_heartbeat_file": tmp_path / "beat"}
    control = processes.worker(settings, queues=["reconciliation.control"])
    beat = processes.beat(settings)
    wait_for(lambda: failed(settings) == {"queues"}, 60, "only the queues without a worker are missing")
    assert (tmp_path / "beat").exists()
    processes.worker(settings)
    wait_for(lambda: failed(settings) == set(), 60, "all is well")

    beat.kill()
    wait_for(lambda: failed(settings) == {"beat", "schedule"}, 60, "beat is missed, and its ticks")
    processes.beat(settings)
    wait_for(lambda: failed(settings) == set(), 60, "all is well again")
    control.kill()
    assert failed(settings) <= {"queues"}, "one worker is enough"
