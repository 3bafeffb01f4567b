"""The test servers themselves: real, fresh, and gone with pytest."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.ended import is_gone
from tests.support.places import ROOT
from tests.support.waiting import wait_for

HOLDER = """
import sys
from pathlib import Path
from tests.support.servers import run_postgres
with run_postgres(Path(sys.argv[1])):
    print("running", flush=True)
    sys.stdin.read()
"""


def test_postgres_is_gone_after_its_holder_was_killed(tmp_path: Path):
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = ROOT
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "running\n"
        postmaster_pid = int((tmp_path / "postmaster.pid").read_text().partition("\n")[0])
        os.kill(holder.pid, signal.SIGKILL)
        wait_for(lambda: is_gone(postmaster_pid), timeout_seconds=10)
