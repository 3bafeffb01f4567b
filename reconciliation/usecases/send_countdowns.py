"""Send countdowns; what cannot be sent is left to the reclaim of fill windows."""

import logging
from collections.abc import Sequence

from reconciliation.ports.fill_windows import Countdown
from reconciliation.ports.task_queue import CountdownSender

log = logging.getLogger(__name__)


def send_or_leave_to_sweep(sender: CountdownSender, countdowns: Sequence[Countdown]) -> None:
    """Send; on failure only log, for the windows are written and leased: the sweep sends again when the lease ends."""
    if not countdowns:
        return
    try:
        sender.send(countdowns)
    except Exception:
        log.exception("%d countdowns could not be sent; the sweep wakes their windows", len(countdowns))
