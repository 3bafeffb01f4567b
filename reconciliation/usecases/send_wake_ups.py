"""Send countdowns; what cannot be sent is left to the reclaim of fill windows."""

import logging
from collections.abc import Sequence

from reconciliation.ports.fill_windows import DelayedWakeUp
from reconciliation.ports.task_queue import WakeUpSender

log = logging.getLogger(__name__)


def send_or_leave_to_reclaim(sender: WakeUpSender, wake_ups: Sequence[DelayedWakeUp]) -> None:
    """Send; on failure only log, for the windows are written and leased: the sweep sends again when the lease ends."""
    if not wake_ups:
        return
    try:
        sender.send(wake_ups)
    except Exception:
        log.exception("%d countdowns could not be sent; the sweep wakes their windows", len(wake_ups))
