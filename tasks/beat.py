"""Beat: sends ticks, but no more than a bounded number that no worker has taken; and shows a sign of life."""

import logging
import time
from typing import Any

from celery.beat import ScheduleEntry, Scheduler

from reconciliation.operations.heartbeats import BeatHeartbeat
from reconciliation.settings import load_settings

logger = logging.getLogger(__name__)

#: With this many ticks waiting on a queue no worker is there: more would only have to be thrown away later. Enough for
#: several of each kind.
MAX_WAITING_TICKS = 40
#: A wall clock that falls behind the monotonic one by more was set back.
STEP_SECONDS = 1.0


class HeartbeatScheduler(Scheduler):  # type: ignore[misc]  # celery has no types
    """Keeps nothing on disk but a sign of life, and that only where RECONCILIATION_BEAT_HEARTBEAT_FILE says so."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._heartbeat = BeatHeartbeat(load_settings())
        self._offset = _clock_offset()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        self._follow_clock()
        wait_seconds = super().tick(*args, **kwargs)
        self._heartbeat.record()
        return wait_seconds

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a tick, unless enough wait already."""
        if self._count_waiting(entry, producer) < MAX_WAITING_TICKS:
            super().apply_entry(entry, producer=producer)

    def _count_waiting(self, entry: ScheduleEntry, producer: Any) -> int:
        queue = self.app.conf.task_routes[entry.task]["queue"]
        try:
            return int(self.app.amqp.queues[queue].bind(producer.channel).queue_declare().message_count)
        except Exception as error:  # noqa: BLE001 - sending says what is wrong with Redis, and tries again
            logger.debug("the ticks on %s cannot be counted: %s", queue, error)
            return 0

    def _follow_clock(self) -> None:
        """Go on at once after the host's clock was set back; entries would wait until it reaches the old time again."""
        offset = _clock_offset()
        if offset < self._offset - STEP_SECONDS:
            logger.warning("the clock of this host was set back by %.1f s", self._offset - offset)
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._offset = offset


def _clock_offset() -> float:
    return time.time() - time.monotonic()
