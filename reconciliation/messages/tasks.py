"""The tasks that workers do: name, queue and schedule of each, and nowhere else. Names and queues are public.

`celeryconfig.py`, the tasks and those who send them all read this table. A task `reconciliation.x` is in `tasks/x.py`.
"""

from dataclasses import dataclass

PREFIX = "reconciliation."

#: On demand: a caller waits.
DEFAULT_QUEUE = "reconciliation"
#: Fills that a service reports as tasks; at scale with workers of their own.
FILLS_QUEUE = "reconciliation.fills"
#: Wake-ups of fill windows, and nothing else: they are counted.
WAKE_UPS_QUEUE = "reconciliation.wake_ups"
#: Many accounts a task: long.
SWEEPS_QUEUE = "reconciliation.sweeps"
#: What beat sends: short, and it must not stand behind a long sweep.
CONTROL_QUEUE = "reconciliation.control"
#: Five, so that a wave of one kind does not delay another; one worker may serve all of them, or each its own.
QUEUES = (DEFAULT_QUEUE, FILLS_QUEUE, WAKE_UPS_QUEUE, SWEEPS_QUEUE, CONTROL_QUEUE)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task, and how beat sends it."""

    name: str
    queue: str
    #: Beat sends it this often.
    every_seconds: float | None = None
    #: Beat sends it at this minute of each hour. By the clock: beat keeps nothing on disk, so "every hour" would begin
    #: again with each restart.
    minute: int | None = None
    #: Whether the sender may wait for the task's result.
    has_result: bool = False

    @property
    def is_scheduled(self) -> bool:
        """Whether beat sends it."""
        return self.every_seconds is not None or self.minute is not None

    @property
    def collapse_ms(self) -> int:
        """Ticks that begin within this time are one tick, by Redis' clock; a message carries no time of its sender."""
        return 1_800_000 if self.every_seconds is None else round(900 * self.every_seconds)

    @property
    def module(self) -> str:
        return f"tasks.{self.name.removeprefix(PREFIX)}"


RECONCILE_ACCOUNT = TaskSpec(name="reconciliation.reconcile_account", queue=DEFAULT_QUEUE, has_result=True)
TAKE_FILL = TaskSpec(name="reconciliation.take_fill", queue=FILLS_QUEUE, has_result=True)
RUN_AFTER_FILLS = TaskSpec(name="reconciliation.run_after_fills", queue=WAKE_UPS_QUEUE)
SWEEP_ACCOUNTS = TaskSpec(name="reconciliation.sweep_accounts", queue=SWEEPS_QUEUE)
DISPATCH_DUE_ACCOUNTS = TaskSpec(name="reconciliation.dispatch_due_accounts", queue=CONTROL_QUEUE, every_seconds=1)
RECLAIM_FILL_WINDOWS = TaskSpec(name="reconciliation.reclaim_fill_windows", queue=CONTROL_QUEUE, every_seconds=1)
RELAY_EVENTS = TaskSpec(name="reconciliation.relay_events", queue=CONTROL_QUEUE, every_seconds=1)
CHECK_MISSED_SLOTS = TaskSpec(name="reconciliation.check_missed_slots", queue=CONTROL_QUEUE, every_seconds=5)
PRUNE = TaskSpec(name="reconciliation.prune", queue=SWEEPS_QUEUE, minute=17)
VERIFY = TaskSpec(name="reconciliation.verify", queue=SWEEPS_QUEUE, minute=47)

TASKS = tuple(value for value in globals().values() if isinstance(value, TaskSpec))
