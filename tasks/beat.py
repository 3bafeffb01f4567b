"""Beat, with a sign of life: a file that each tick touches, for a health check to look at."""

from pathlib import Path
from typing import Any

from celery.beat import Scheduler

from reconciliation.settings import load_settings


class HeartbeatScheduler(Scheduler):  # type: ignore[misc]  # celery has no types
    """Keeps nothing on disk but the sign of life, and that only where RECONCILIATION_BEAT_HEARTBEAT_FILE says so."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._heartbeat_file: Path | None = load_settings().beat_heartbeat_file
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        wait_seconds = super().tick(*args, **kwargs)
        if self._heartbeat_file is not None:
            self._heartbeat_file.touch()
        return wait_seconds
