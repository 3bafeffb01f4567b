"""celery-redbeat with as many entries as we have accounts: what `bench_dispatch` is measured beside."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery
from celery.schedules import schedule

from benchmarks.bench_parts import ROOT, memory_mb, started
from benchmarks.figures import middle
from reconciliation.adapters.embedded.redis_server import RedisServer

INTERVAL_SECONDS = 300
TICKS = 3
#: All due at once is measured up to so many; at some hundred a second more would take minutes.
AT_ONCE_MAX = 10_000
PIPELINE_ENTRIES = 1_000
#: Long ago: due now.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class RedBeatFigures:
    """What RedBeat costs with so many entries."""

    idle_tick_ms: float
    tick_ms: float
    #: None: not measured with so many.
    at_once_per_second: float | None
    redis_mb: float
    beat_mb: float | None


def make_app() -> Celery:
    """Return an app that sends to the Redis of BENCH_REDIS_URL, and has its entries there."""
    app = Celery("bench", broker=os.environ["BENCH_REDIS_URL"])
    app.conf.redbeat_redis_url = os.environ["BENCH_REDIS_URL"]
    app.conf.redbeat_lock_key = None
    # As in our own configuration: nobody waits for these results.
    app.conf.task_ignore_result = True
    return app


def measure_redbeat(count: int, due: int) -> RedBeatFigures:
    """Measure ticks with no entry, with `due` entries and with all entries due.

    Raises:
        ImportError: celery-redbeat is not installed.
    """
    from redbeat.schedulers import RedBeatScheduler, get_redis  # noqa: PLC0415 - a comparison, of the bench extra

    with _redis() as server:
        app = make_app()
        client = get_redis(app)
        keys = _save_entries(app, client, count)
        redis_mb = client.info("memory")["used_memory"] / 1e6
        scheduler = RedBeatScheduler(app, lazy=False)
        idle = [_tick_ms(scheduler, client, expected=0) for _ in range(TICKS)]
        busy = []
        for number in range(TICKS):
            _make_due(app, client, keys[number * due : (number + 1) * due])
            busy.append(_tick_ms(scheduler, client, expected=due))
        beat_mb = _beat_memory_mb(server.url)
        at_once = None
        if count <= AT_ONCE_MAX:
            _make_due(app, client, keys)
            at_once = count / _tick_ms(scheduler, client, expected=count) * 1000
        return RedBeatFigures(
            idle_tick_ms=middle(idle),
            tick_ms=middle(busy),
            at_once_per_second=at_once,
            redis_mb=redis_mb,
            beat_mb=beat_mb,
        )


@contextmanager
def _redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        os.environ["BENCH_REDIS_URL"] = server.url
        try:
            yield server
        finally:
            del os.environ["BENCH_REDIS_URL"]


def _save_entries(app: Celery, client: Any, count: int) -> list[str]:
    """Save entries as RedBeat itself would; one by one it takes a millisecond each, so the first is copied."""
    from redbeat import RedBeatSchedulerEntry  # noqa: PLC0415 - see above

    entry = RedBeatSchedulerEntry("entry", "bench.nothing", schedule(INTERVAL_SECONDS), app=app)
    entry.save()
    entry.reschedule()
    fields, score = client.hgetall(entry.key), client.zscore(app.redbeat_conf.schedule_key, entry.key)
    entry.delete()
    keys = [f"{entry.key}-{number:06}" for number in range(count)]
    for first in range(0, count, PIPELINE_ENTRIES):
        some = keys[first : first + PIPELINE_ENTRIES]
        with client.pipeline(transaction=False) as pipeline:
            for key in some:
                name = key.removeprefix(entry.key)
                definition = fields["definition"].replace('"name": "entry"', f'"name": "entry{name}"')
                pipeline.hset(key, mapping=fields | {"definition": definition})
            pipeline.zadd(app.redbeat_conf.schedule_key, dict.fromkeys(some, score))
            pipeline.execute()
    return keys


def _make_due(app: Celery, client: Any, keys: Sequence[str]) -> None:
    """Set their last run long ago: a low score alone only has them loaded, not sent."""
    from redbeat.schedulers import RedBeatJSONEncoder  # noqa: PLC0415 - see above

    meta = json.dumps({"last_run_at": LONG_AGO}, cls=RedBeatJSONEncoder)
    for first in range(0, len(keys), PIPELINE_ENTRIES):
        some = keys[first : first + PIPELINE_ENTRIES]
        with client.pipeline(transaction=False) as pipeline:
            for key in some:
                pipeline.hset(key, "meta", meta)
            pipeline.zadd(app.redbeat_conf.schedule_key, dict.fromkeys(some, 1))
            pipeline.execute()


def _tick_ms(scheduler: Any, client: Any, *, expected: int) -> float:
    client.delete("celery")
    began = time.perf_counter()
    scheduler.tick()
    took_ms = (time.perf_counter() - began) * 1000
    if (sent := client.llen("celery")) != expected:
        raise AssertionError(f"RedBeat sent {sent} of {expected} entries")
    return took_ms


def _beat_memory_mb(url: str) -> float | None:
    argv = [sys.executable, "-m", "celery", "-A", "benchmarks.bench_redbeat:app", "beat", "--pidfile="]
    argv += ["-S", "redbeat.RedBeatScheduler"]
    variables = {"BENCH_REDIS_URL": url, "PYTHONPATH": str(ROOT)}
    with (
        tempfile.TemporaryDirectory() as directory,
        started(argv, variables, Path(directory), ready="maxinterval") as beat,
    ):
        time.sleep(TICKS)
        return memory_mb(beat.pid)


def __getattr__(name: str) -> Any:
    """Make `app` when `celery -A` asks for it: nothing is read from the environment at import."""
    if name == "app":
        return make_app()
    raise AttributeError(name)
