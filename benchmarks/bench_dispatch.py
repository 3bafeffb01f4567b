"""Bench C: a tick of the schedule at 1,000 to 100,000 accounts, beside celery-redbeat where it is installed."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Section, middle
from reconciliation.bootstrap import Bootstrap
from reconciliation.dispatcher import Dispatcher
from reconciliation.embedded.redis_server import RedisServer
from reconciliation.publishing.sweep_sender import QUEUE
from reconciliation.registered import RegisteredAccount
from reconciliation.run import utc_now
from reconciliation.settings import Settings
from reconciliation.storage.migrate import upgrade

COUNTS = (1_000, 10_000, 100_000)
INTERVAL_SECONDS = 300
TICKS = 5
#: Entries of a RedBeat measured for its rate; it is too slow for more.
REDBEAT_ENTRIES = 2_000


def measure() -> Section:
    rows, at_once = [], 0.0
    for count in COUNTS:
        idle_ms, tick_ms, due, all_due_per_second, redis_mb = _measure(count)
        at_once = all_due_per_second
        rows.append(
            [
                f"{count:,}",
                f"{due}",
                f"{tick_ms:.1f} ms",
                f"{idle_ms:.1f} ms",
                f"{all_due_per_second:,.0f}/s",
                f"{redis_mb:.0f} MB",
            ]
        )
    redbeat = _redbeat_per_second()
    rows.append(["RedBeat", "-", "-", "-", "not installed" if redbeat is None else f"{redbeat:,.0f}/s", "-"])
    seen = "RedBeat was not measured" if redbeat is None else f"{at_once / redbeat:.0f} times RedBeat's rate"
    return Section(
        name="dispatch",
        title="Dispatch: one tick of the schedule",
        columns=["accounts", "due in a tick", "tick", "idle tick", "all due at once", "Redis"],
        rows=rows,
        conclusions=[
            "Wanted: under 250 ms a tick at 100,000 accounts on 300 s, and a cost that follows what is due.",
            f"Wanted: at least 40 times RedBeat's rate with all due at once; seen: {seen}.",
            "SQLite registry, embedded Valkey, messages published; beat itself holds static entries only.",
        ],
    )


def _measure(count: int) -> tuple[float, float, int, float, float]:
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server:
        settings = Settings(
            redis_url=server.url, database_url=f"sqlite:///{Path(directory) / 'bench.db'}", sweeps_waiting_max=10_000
        )
        parts = Bootstrap(settings)
        try:
            upgrade(parts.engine)
            ids = [f"ACC-{number:06}" for number in range(count)]
            parts.registry.add(RegisteredAccount(account_id=name, interval_seconds=INTERVAL_SECONDS) for name in ids)
            parts.registry.note_scheduled(ids, utc_now())
            parts.account_mirror.refresh()
            memory: Any = parts.redis.info("memory")
            return (*_ticks(parts, ids), memory["used_memory"] / 1e6)
        finally:
            parts.close()


def _ticks(parts: Bootstrap, ids: Sequence[str]) -> tuple[float, float, int, float]:
    dispatcher = parts.dispatcher
    dispatcher.tick()
    idle = [_timed_ms(dispatcher)[0] for _ in range(TICKS)]
    due = max(1, len(ids) // INTERVAL_SECONDS)
    busy = []
    for number in range(TICKS):
        parts.redis.zadd("reconciliation:due:slots:default", dict.fromkeys(ids[number * due : (number + 1) * due], 1))
        busy.append(_timed_ms(dispatcher)[0])
    left: list[Any] = parts.redis.zrange("reconciliation:due:slots:default", 0, -1)
    for first in range(0, len(left), 1_000):
        parts.redis.zadd("reconciliation:due:slots:default", dict.fromkeys(left[first : first + 1_000], 1))
    parts.redis.delete(f"reconciliation:celery:{QUEUE}")
    took_ms, dispatched = _timed_ms(dispatcher)
    return middle(idle), middle(busy), due, dispatched / took_ms * 1000


def _timed_ms(dispatcher: Dispatcher) -> tuple[float, int]:
    began = time.perf_counter()
    dispatched = dispatcher.tick()
    return (time.perf_counter() - began) * 1000, dispatched


def _redbeat_per_second() -> float | None:
    try:
        from redbeat import RedBeatSchedulerEntry  # noqa: PLC0415 - a comparison, installed by hand
        from redbeat.schedulers import RedBeatScheduler  # noqa: PLC0415
    except ImportError:
        return None
    from celery import Celery  # noqa: PLC0415
    from celery.schedules import schedule  # noqa: PLC0415

    with RedisServer() as server:
        app = Celery("bench", broker=server.url)
        app.conf.redbeat_redis_url = server.url
        app.conf.redbeat_lock_key = None
        for number in range(REDBEAT_ENTRIES):
            RedBeatSchedulerEntry(f"entry {number}", "bench.nothing", schedule(INTERVAL_SECONDS), app=app).save()
        from redbeat.schedulers import get_redis  # noqa: PLC0415

        client = get_redis(app)
        for member in client.zrange(app.redbeat_conf.schedule_key, 0, -1):
            client.zadd(app.redbeat_conf.schedule_key, {member: 1})
        scheduler = RedBeatScheduler(app, lazy=False)
        began = time.perf_counter()
        scheduler.tick()
        return REDBEAT_ENTRIES / (time.perf_counter() - began)
