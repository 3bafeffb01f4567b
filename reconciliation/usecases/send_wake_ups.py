"""Send wake-ups; those that cannot be sent are left to the reclaim of fill windows."""

import logging
from collections.abc import Sequence

from reconciliation.ports.fill_windows import DelayedWakeUp
from reconciliation.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


def send_or_leave_to_reclaim(tasks: TaskQueue, wake_ups: Sequence[DelayedWakeUp]) -> None:
    """Send. A failure is only logged: the windows are recorded, and reclaimed when their lease is over."""
    if not wake_ups:
        return
    try:
        tasks.send_wake_ups(wake_ups)
    except Exception:
        log.exception("%d wake-ups could not be sent; their windows will be reclaimed", len(wake_ups))
