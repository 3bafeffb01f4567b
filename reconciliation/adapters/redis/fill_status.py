"""What fill windows are open, and the counters of what became of them: for people and for metrics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from reconciliation.adapters.redis.fill_window import FillWindows, WindowFacts
from reconciliation.adapters.redis.space import RedisSpace

#: Windows that one look reads at most, the longest overdue first; the totals count all of them.
MAX_WINDOWS = 10_000


@dataclass(frozen=True, kw_only=True)
class FillStatus:
    """One look at all windows. `counters` only grow; a Redis that lost its data begins again at zero."""

    #: Accounts with fills that no completed run covers.
    windows_open: int
    #: Of these, by what holds them.
    waiting: int
    running: int
    #: Waiting, although their run was due: the message is late, or lost until it is reclaimed.
    overdue: int
    #: Locks that are held; the next reclaim takes the others.
    leases_held: int
    fills_pending: int
    oldest_fill_at: datetime | None
    oldest_account_id: str | None
    counters: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        oldest = None if self.oldest_fill_at is None else self.oldest_fill_at.isoformat()
        return asdict(self) | {"oldest_fill_at": oldest, "counters": dict(self.counters)}


def read_fill_status(space: RedisSpace, windows: FillWindows) -> FillStatus:
    """Look at the windows, in two round trips and one for each further thousand of them.

    Raises:
        CoordinationError: Redis cannot be reached.
    """
    with space.explained(), space.client.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.zcard(f"{space.prefix}fills:index")
        pipeline.zrange(f"{space.prefix}fills:index", 0, MAX_WINDOWS - 1)
        pipeline.hgetall(f"{space.prefix}fills:counters")
        time, is_open, account_ids, counters = pipeline.execute()
    found = zip(account_ids, windows.look(account_ids), strict=True)
    seen = {account_id: window for account_id, window in found if window is not None}  # one may be settled meanwhile
    return _status(seen, is_open, time[0] * 1000 + time[1] // 1000, counters)


def _status(windows: Mapping[str, WindowFacts], is_open: int, now_ms: int, counters: Mapping[str, str]) -> FillStatus:
    running = sum(window.phase == "running" for window in windows.values())
    oldest_account_id = min(windows, key=lambda account_id: windows[account_id].first_fill_at_ms, default=None)
    oldest_fill_at = None
    if oldest_account_id is not None:
        oldest_fill_at = datetime.fromtimestamp(windows[oldest_account_id].first_fill_at_ms / 1000, tz=UTC)
    return FillStatus(
        windows_open=is_open,
        waiting=len(windows) - running,
        running=running,
        overdue=sum(window.phase == "waiting" and window.due_at_ms < now_ms for window in windows.values()),
        leases_held=sum(window.lease_until_ms > now_ms for window in windows.values()),
        fills_pending=sum(window.fills_pending for window in windows.values()),
        oldest_fill_at=oldest_fill_at,
        oldest_account_id=oldest_account_id,
        counters={name: int(value) for name, value in sorted(counters.items()) if name != "fence"},
    )
