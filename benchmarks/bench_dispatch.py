"""Bench C: a tick of the schedule at 1,000 to 100,000 accounts, beside celery-redbeat with as many entries."""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench_parts import environment, memory_mb, started
from benchmarks.figures import Section, middle
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.due_queue import account_entry
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.domain.model.runs import utc_now
from reconciliation.messages.tasks import SWEEPS_QUEUE
from reconciliation.settings import Settings
from reconciliation.usecases.dispatch_due import Dispatcher

if TYPE_CHECKING:
    from benchmarks.bench_redbeat import RedBeatFigures

COUNTS = (1_000, 10_000, 100_000)
INTERVAL_SECONDS = 300
TICKS = 5
SLOTS = "reconciliation:due:slots:default"
COLUMNS = ["accounts", "due in a tick", "tick", "idle tick", "all due at once", "Redis", "beat"]


@dataclass(frozen=True, kw_only=True)
class DispatchFigures:
    """What our schedule costs with so many accounts."""

    idle_tick_ms: float
    tick_ms: float
    at_once_per_second: float
    redis_mb: float
    beat_mb: float | None


def measure() -> Section:
    rows, seen = [], "RedBeat was not measured"
    for count in COUNTS:
        due = max(1, count // INTERVAL_SECONDS)
        figures = _measure(count, due)
        rows.append(_row(f"{count:,}", due, figures))
        redbeat = _redbeat(count, due)
        if redbeat is not None:
            if redbeat.at_once_per_second is not None:
                # With as many entries as accounts, at the most that both were measured with.
                seen = f"{figures.at_once_per_second / redbeat.at_once_per_second:.0f} times with {count:,} of each"
            rows.append(_row(f"{count:,} entries of RedBeat", due, redbeat))
    return Section(
        name="dispatch",
        title="Dispatch: one tick of the schedule",
        columns=COLUMNS,
        rows=rows,
        conclusions=[
            "Wanted: under 250 ms a tick at 100,000 accounts on 300 s, and a cost that follows what is due.",
            f"Wanted: at least 40 times RedBeat's rate with all due at once; seen: {seen}, all of it sent.",
            "SQLite registry, embedded Valkey, messages published. Beat: a real process, idle.",
            "RedBeat: without its lock, and not measured with 100,000 due at once, which takes it minutes.",
        ],
    )


def _row(what: str, due: int, figures: "DispatchFigures | RedBeatFigures") -> list[str]:
    at_once, beat_mb = figures.at_once_per_second, figures.beat_mb
    return [
        what,
        f"{due}",
        f"{figures.tick_ms:.1f} ms",
        f"{figures.idle_tick_ms:.1f} ms",
        "-" if at_once is None else f"{at_once:,.0f}/s",
        f"{figures.redis_mb:.0f} MB",
        "-" if beat_mb is None else f"{beat_mb:.0f} MB",
    ]


def _redbeat(count: int, due: int) -> "RedBeatFigures | None":
    from benchmarks.bench_redbeat import measure_redbeat  # noqa: PLC0415 - imports what may be missing

    try:
        return measure_redbeat(count, due)
    except ImportError:
        return None


def _measure(count: int, due: int) -> DispatchFigures:
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server:
        values: dict[str, Any] = {
            "redis_url": server.url,
            "database_url": f"sqlite:///{Path(directory) / 'bench.db'}",
            "max_queued_sweeps": 10_000,
            "broker": "paper",
            "broker_options": {"any_account": True},
        }
        with open_parts(Settings(**values)) as parts:
            upgrade(parts.stores.engine)
            ids = [f"ACC-{number:06}" for number in range(count)]
            parts.stores.registry.add(
                RegisteredAccount(account_id=name, interval_seconds=INTERVAL_SECONDS) for name in ids
            )
            parts.stores.registry.note_scheduled(ids, utc_now())
            parts.account_mirror.refresh()
            memory: Any = parts.coordination.space.client.info("memory")
            beat_mb = _beat_memory_mb(values, Path(directory))
            idle, busy, at_once = _ticks(parts, [account_entry(name) for name in ids], due)
            return DispatchFigures(
                idle_tick_ms=idle,
                tick_ms=busy,
                at_once_per_second=at_once,
                redis_mb=memory["used_memory"] / 1e6,
                beat_mb=beat_mb,
            )


def _ticks(parts: Bootstrap, entries: Sequence[str], due: int) -> tuple[float, float, float]:
    dispatcher = parts.dispatcher
    dispatcher.tick()
    idle = [_timed_ms(dispatcher)[0] for _ in range(TICKS)]
    busy = []
    for number in range(TICKS):
        _make_due(parts, entries[number * due : (number + 1) * due])
        busy.append(_timed_ms(dispatcher)[0])
    left: list[Any] = parts.coordination.space.client.zrange(SLOTS, 0, -1)
    _make_due(parts, left)
    parts.coordination.space.client.delete(f"reconciliation:celery:{SWEEPS_QUEUE}")
    took_ms, dispatched = _timed_ms(dispatcher)
    if dispatched < len(left):
        raise AssertionError(f"{dispatched} of {len(left)} were dispatched")
    return middle(idle), middle(busy), dispatched / took_ms * 1000


def _make_due(parts: Bootstrap, entries: Sequence[str]) -> None:
    for first in range(0, len(entries), 1_000):
        parts.coordination.space.client.zadd(SLOTS, dict.fromkeys(entries[first : first + 1_000], 1))


def _timed_ms(dispatcher: Dispatcher) -> tuple[float, int]:
    began = time.perf_counter()
    dispatched = dispatcher.tick()
    return (time.perf_counter() - began) * 1000, dispatched


def _beat_memory_mb(settings: dict[str, Any], directory: Path) -> float | None:
    argv = [sys.executable, "-m", "celery", "-A", "tasks", "beat", "--pidfile="]
    # Its ticks wait for a worker, and go away with this Redis.
    with started(argv, environment(settings), directory, ready="maxinterval") as beat:
        time.sleep(TICKS)
        return memory_mb(beat.pid)
