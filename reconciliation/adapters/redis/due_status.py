"""How the due-queue stands, for people: read without disturbing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciliation.adapters.redis.space import RedisSpace

#: A run that waits for longer than this after it was due is overdue.
OVERDUE_MS = 5_000
#: As in due_queue.lua: completed runs are counted in buckets.
RATE_BUCKET_MS = 10_000
RATE_BUCKETS = 6


@dataclass(frozen=True, kw_only=True)
class ConnectionStatus:
    """The entries of one connection."""

    connection: str
    waiting: int
    due: int
    overdue: int
    in_lease: int
    #: How long the longest waiting entry has been due; 0 when none is.
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class ScheduleStatus:
    """The due-queue as a whole."""

    #: Whether Redis knows every account of the registry.
    complete: bool
    accounts: int
    requested: int
    runs_per_second: float
    connections: Sequence[ConnectionStatus]


def read_status(space: RedisSpace) -> ScheduleStatus:
    """Return how the due-queue stands.

    Raises:
        CoordinationError: Redis cannot be reached.
    """
    with space.explained():
        return _read(space)


def _read(space: RedisSpace) -> ScheduleStatus:
    client, prefix = space.client, space.prefix
    server_time: Any = client.time()
    now_ms = server_time[0] * 1000 + server_time[1] // 1000
    names: Any = client.smembers(f"{prefix}due:connections")
    complete = bool(client.hexists(f"{prefix}accounts", ""))
    accounts: Any = client.hlen(f"{prefix}accounts")
    requested: Any = client.hlen(f"{prefix}due:details")
    bucket = now_ms // RATE_BUCKET_MS
    completed: Any = client.mget([f"{prefix}due:completed:{number}" for number in range(bucket - RATE_BUCKETS, bucket)])
    return ScheduleStatus(
        complete=complete,
        accounts=accounts - complete,
        requested=requested,
        runs_per_second=sum(int(count or 0) for count in completed) * 1000 / (RATE_BUCKETS * RATE_BUCKET_MS),
        connections=[_of_connection(space, name, now_ms) for name in sorted(names)],
    )


def _of_connection(space: RedisSpace, name: str, now_ms: int) -> ConnectionStatus:
    prefix = space.prefix
    keys = (f"{prefix}due:slots:{name}", f"{prefix}due:requested:{name}")
    pipeline = space.client.pipeline(transaction=False)
    for key in keys:
        pipeline.zcard(key)
        pipeline.zcount(key, "-inf", now_ms)
        pipeline.zcount(key, "-inf", now_ms - OVERDUE_MS)
        pipeline.zrange(key, 0, 0, withscores=True)
    pipeline.zcard(f"{prefix}due:leases:{name}")
    *numbers, in_lease = pipeline.execute()
    firsts = [found[0][1] for found in (numbers[3], numbers[7]) if found]
    return ConnectionStatus(
        connection=name,
        waiting=numbers[0] + numbers[4],
        due=numbers[1] + numbers[5],
        overdue=numbers[2] + numbers[6],
        in_lease=in_lease,
        oldest_seconds=max(0.0, round((now_ms - min(firsts, default=now_ms)) / 1000, 1)),
    )
