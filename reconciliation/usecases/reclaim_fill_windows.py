"""Wake fill windows whose worker or message was lost."""

from reconciliation.ports.fill_windows import FillWindows
from reconciliation.ports.task_queue import CountdownSender
from reconciliation.usecases.send_countdowns import send_or_leave_to_sweep


def sweep_fill_windows(windows: FillWindows, sender: CountdownSender, *, limit: int, queued: int) -> int:
    """Wake windows whose lease is over and return how many.

    Args:
        windows: The windows.
        sender: Where their countdowns go.
        limit: The most windows of one sweep.
        queued: Messages that no worker has fetched yet. They will wake windows without our help, so while workers are
            away the queue never outgrows the windows.
    """
    countdowns = windows.sweep(limit, queued)
    send_or_leave_to_sweep(sender, countdowns)
    return len(countdowns)
