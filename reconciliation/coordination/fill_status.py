"""What fill windows are open, and the counters of what became of them: for people and for metrics."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from reconciliation.coordination.connection import explain

#: Windows that one look reads at most, the longest overdue first; the totals count all of them.
MAX_WINDOWS = 10_000
_FIELDS = ("phase", "received", "settled", "first_at", "run_first_at", "due_at", "lease_until")


@dataclass(frozen=True, kw_only=True)
class FillStatus:
    """One look at all windows. `counters` only grow; a Redis that lost its data begins again at zero."""

    #: Accounts with fills that no completed run covers.
    windows_open: int
    #: Of these, by what holds them.
    waiting: int
    running: int
    #: Waiting, although their run was due: the message is late, or lost until the sweep finds it.
    overdue: int
    #: Locks that somebody holds; the others are taken by the next sweep.
    leases_held: int
    fills_pending: int
    oldest_fill_at: datetime | None
    oldest_account_id: str | None
    counters: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        oldest = None if self.oldest_fill_at is None else self.oldest_fill_at.isoformat()
        return asdict(self) | {"oldest_fill_at": oldest, "counters": dict(self.counters)}


def read_fill_status(client: redis.Redis, *, key_prefix: str, address: str) -> FillStatus:
    """Look at the windows, in two round trips.

    Raises:
        CoordinationError: Redis cannot be reached.
    """
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.zcard(f"{key_prefix}fills:index")
            pipeline.zrange(f"{key_prefix}fills:index", 0, MAX_WINDOWS - 1)
            pipeline.hgetall(f"{key_prefix}fills:counters")
            time, is_open, account_ids, counters = pipeline.execute()
            for account_id in account_ids:
                pipeline.hmget(f"{key_prefix}fills:window:{account_id}", _FIELDS)
            windows = dict(zip(account_ids, map(_numbers, pipeline.execute()), strict=True))
    except redis.RedisError as error:
        raise explain(error, address) from error
    return _status(windows, is_open, time[0] * 1000 + time[1] // 1000, counters)


def _numbers(values: list[str | None]) -> dict[str, int]:
    phase, *numbers = values
    named = {name: int(value) for name, value in zip(_FIELDS[1:], numbers, strict=True) if value}
    return named | {"running": int(phase == "running")}


def _status(
    windows: Mapping[str, Mapping[str, int]], is_open: int, now_ms: int, counters: Mapping[str, str]
) -> FillStatus:
    running = sum(window["running"] for window in windows.values())
    oldest = {
        account_id: min(window[name] for name in ("first_at", "run_first_at") if name in window)
        for account_id, window in windows.items()
        if "received" in window  # it may have been settled between the two looks
    }
    oldest_account_id = min(oldest, key=oldest.__getitem__, default=None)
    return FillStatus(
        windows_open=is_open,
        waiting=len(windows) - running,
        running=running,
        overdue=sum(not window["running"] and window.get("due_at", now_ms) < now_ms for window in windows.values()),
        leases_held=sum(window.get("lease_until", 0) > now_ms for window in windows.values()),
        fills_pending=sum(window.get("received", 0) - window.get("settled", 0) for window in windows.values()),
        oldest_fill_at=None
        if oldest_account_id is None
        else datetime.fromtimestamp(oldest[oldest_account_id] / 1000, tz=UTC),
        oldest_account_id=oldest_account_id,
        counters={name: int(value) for name, value in sorted(counters.items()) if name != "fence"},
    )
