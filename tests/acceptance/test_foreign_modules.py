"""Another project's `tasks.py` and `celeryconfig.py`: they do not take over our programs, nor ours theirs."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reconciliation.support.worker_files import worker_directory
from tests.support.places import ROOT
from tests.support.processes import Processes, environment

BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
FOREIGN = "raise SystemExit('a foreign module was loaded')\n"
SENDER = """
from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.settings import Settings
sender = TaskSender(Settings())
print(sorted(queue.name for queue in sender._app.conf.task_queues), sender._app.conf.accept_content)
"""


@pytest.fixture
def foreign_directory(tmp_path: Path) -> Path:
    for name in ("tasks.py", "celeryconfig.py"):
        (tmp_path / name).write_text(FOREIGN)
    return tmp_path


def test_worker_and_beat_are_ours_whatever_is_in_the_working_directory(
    redis_url: str, sqlite_url: str, processes: Processes, foreign_directory: Path
) -> None:
    del foreign_directory  # processes start there
    settings = {"redis_url": redis_url, "database_url": sqlite_url}
    reconcile = [sys.executable, "-P", "-m", "reconciliation.cli"]
    worker = processes.program([*reconcile, "worker", "--concurrency", "1"], settings, ready_line=" ready.\n")
    processes.program([*reconcile, "beat"], settings, ready_line="maxinterval")
    assert "exchange=reconciliation.sweeps(direct)" in worker.log()
    ping = [*reconcile, "celery", "inspect", "ping", "--timeout", "10"]
    answer = subprocess.run(
        ping, cwd=worker._directory, env=environment(settings), capture_output=True, text=True, check=False
    )
    assert "pong" in answer.stdout


def test_a_sender_has_our_settings_whatever_is_in_the_working_directory(
    redis_url: str, foreign_directory: Path
) -> None:
    """`python -c` searches the working directory first, as a service's own program does."""
    done = subprocess.run(
        [sys.executable, "-c", SENDER],
        cwd=foreign_directory,
        env=environment({"redis_url": redis_url}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "reconciliation.sweeps" in done.stdout, done.stderr


def test_the_wheel_installs_our_package_and_no_module_of_a_common_name(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-c", BUILD, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / built.stdout.strip().splitlines()[-1]) as wheel:
        names = wheel.namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"reconciliation"}
    assert "reconciliation/_worker/celeryconfig.py" in names
    assert "reconciliation/_worker/tasks/__main__.py" in names


def test_in_the_repository_the_worker_is_that_of_the_repository() -> None:
    assert worker_directory() == ROOT
