"""Wake fill windows whose worker or message was lost."""

from reconciliation.ports.fill_windows import FillWindows
from reconciliation.ports.task_queue import TaskQueue
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim


def reclaim_fill_windows(windows: FillWindows, tasks: TaskQueue, *, limit: int) -> int:
    """Wake windows whose lease is over or that are overdue; return how many wake-ups that takes.

    Args:
        windows: The windows.
        tasks: Where their wake-ups go. Those that no worker has taken yet wake windows without this help, so while
            workers are away the queue never outgrows the windows.
        limit: The most windows of one call.
    """
    wake_ups = windows.reclaim(limit, tasks.count_wake_ups())
    send_or_leave_to_reclaim(tasks, wake_ups)
    return len(wake_ups)
