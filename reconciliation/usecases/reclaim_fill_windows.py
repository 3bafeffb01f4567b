"""Wake fill windows whose worker or message was lost."""

from reconciliation.ports.fill_windows import FillWindows
from reconciliation.ports.task_queue import WakeUpSender
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim


def reclaim_fill_windows(windows: FillWindows, sender: WakeUpSender, *, limit: int, queued: int) -> int:
    """Wake windows whose lease is over and return how many.

    Args:
        windows: The windows.
        sender: Where their countdowns go.
        limit: The most windows of one sweep.
        queued: Messages that no worker has fetched yet. They will wake windows without our help, so while workers are
            away the queue never outgrows the windows.
    """
    wake_ups = windows.reclaim_expired(limit, queued)
    send_or_leave_to_reclaim(sender, wake_ups)
    return len(wake_ups)
