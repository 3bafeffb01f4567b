"""Run our Celery application, whatever the working directory holds: `reconcile worker` and `reconcile beat` do."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tasks.celery import app

    app.start(argv=sys.argv[1:])
