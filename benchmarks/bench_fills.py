"""Fills: what a report costs its caller, and how long after it is due a result is published."""

import contextlib
import io
import json
import threading
import time
from datetime import datetime
from uuid import uuid4

from benchmarks.bench_parts import fresh_site
from benchmarks.figures import Section, middle, p99, time_side_by_side
from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from reconciliation.client.report_fills import FillReporter
from reconciliation.settings import Settings
from tests.support.fill_lab import PREFIX, FillLab
from tests.support.processes import Processes

ROUNDS, CALLS = 30, 100
BULK_FILLS, BULK_CALLS = 1_000, 20
LATENCY_RUNS = 300
DELAY_SECONDS = 0.3
LOCK_MS = 60_000
FILL = {"fill_id": "F-1", "order_id": "O-1", "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "1.5"}

BARE, OURS = "a bare Lua round trip", "our report_fill"


def measure() -> Section:
    with RedisServer() as server:
        times, bulk_times, spread_times = _costs(server.url)
    with contextlib.redirect_stdout(io.StringIO()):  # the worker's log
        latencies = _latencies()
    bare, local = middle(times[BARE]), middle(times[OURS])
    message = middle(times["a message per fill: apply_async(countdown=…)"])
    single_rate, spread_rate = 1 / local, BULK_FILLS / middle(spread_times)
    rows = [[name, _us(middle(taken)), _us(p99(taken)), f"{middle(taken) / bare:.2f}"] for name, taken in times.items()]
    for name, taken in (("one account", bulk_times), (f"{BULK_FILLS} accounts", spread_times)):
        each = [seconds / BULK_FILLS for seconds in taken]
        what = f"our report_fills, {BULK_FILLS} fills of {name}, per fill"
        rows.append([what, _us(middle(each)), _us(p99(each)), f"{middle(each) / bare:.2f}"])
    rows.append(["from due to published result, idle worker", _ms(middle(latencies)), _ms(p99(latencies)), "-"])
    return Section(
        name="fills",
        title="Fills",
        columns=["per fill", "median", "p99", "x bare"],
        rows=rows,
        conclusions=[
            f"an absorbed fill costs {local / bare:.2f} x a bare Lua round trip (wanted: at most 1.5)",
            f"a message per fill costs {message / local:.1f} x as much (wanted: at least 5)",
            f"in bulk {spread_rate:,.0f} fills/s, {spread_rate / single_rate:.1f} x one by one (wanted: at least 4)",
            f"p99 from due to published {p99(latencies) * 1000:.0f} ms (wanted: under 150)",
        ],
    )


def _costs(redis_url: str) -> tuple[dict[str, list[float]], list[float], list[float]]:
    settings = Settings(redis_url=redis_url)
    sender = TaskSender(settings)
    with FillReporter(settings) as reporter, connect(redis_url, 5) as client:
        digest = client.script_load("return 1")

        def send() -> None:
            sender.send("reconciliation.run_after_fills", FILL, queue="reconciliation.wake_ups", countdown_seconds=5)

        def lock_then_send() -> None:
            if client.set("lock:ACC-1", uuid4().hex, nx=True, px=LOCK_MS):
                send()

        candidates = {
            BARE: lambda: client.evalsha(digest, 0),
            OURS: lambda: reporter.report_fill("ACC-1", FILL),
            "a message per fill: apply_async(countdown=…)": send,
            "a lock per task (loses the fill during the run)": lock_then_send,
        }
        time_side_by_side(candidates, rounds=2, calls=CALLS)
        times = time_side_by_side(candidates, rounds=ROUNDS, calls=CALLS)
        one = [("ACC-1", FILL)] * BULK_FILLS
        many = [(f"ACC-{number}", FILL) for number in range(BULK_FILLS)]
        reporter.report_fills(many)
        bulk = {"one": lambda: reporter.report_fills(one), "many": lambda: reporter.report_fills(many)}
        bulk_times = time_side_by_side(bulk, rounds=BULK_CALLS)
    sender.close()
    return times, bulk_times["one"], bulk_times["many"]


def _latencies() -> list[float]:
    """Return for each of many runs the seconds from when it was due until its result was heard."""
    accounts = [f"ACC-{number}" for number in range(LATENCY_RUNS)]
    heard: dict[str, float] = {}
    last_fill_at: dict[str, float] = {}
    with (
        fresh_site() as (directory, redis_url, url),
        FillLab(redis_url, url, directory, accounts, post_fill_delay_seconds=DELAY_SECONDS) as lab,
        Processes(directory) as processes,
        connect(redis_url, 5) as client,
        client.pubsub(ignore_subscribe_messages=True) as channel,
    ):
        channel.subscribe(f"{PREFIX}result")
        processes.worker(lab.settings, concurrency=2)
        listener = threading.Thread(target=_hear, args=(channel, heard, last_fill_at), daemon=True)
        listener.start()
        for account_id in accounts:
            lab.fill(account_id)
            while account_id not in heard:
                time.sleep(0.005)
    return [heard[account_id] - last_fill_at[account_id] - DELAY_SECONDS for account_id in accounts[5:]]


def _hear(channel: object, heard: dict[str, float], last_fill_at: dict[str, float]) -> None:
    while len(heard) < LATENCY_RUNS:
        message = channel.get_message(timeout=1)  # type: ignore[attr-defined]
        if message is not None:
            at, payload = time.time(), json.loads(message["data"])
            last_fill_at[payload["account_id"]] = datetime.fromisoformat(payload["context"]["last_fill_at"]).timestamp()
            heard[payload["account_id"]] = at


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"
