"""What beat loads: the tasks and their schedule, and none of what only a worker needs."""

import subprocess
import sys

PROGRAM = """
import sys
from tasks.celery import app
app.loader.import_default_modules()
app.finalize()
assert "reconciliation.sweep_accounts" in app.tasks
print(",".join(name for name in ("sqlalchemy", "alembic", "reconciliation.bootstrap") if name in sys.modules))
"""


def test_beat_loads_every_task_and_no_database_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
