"""Bench A and B: accounts a second through real workers, beside one task per account and beside empty tasks."""

import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import func, insert, select

from benchmarks.bench_parts import POSITIONS, start_worker, stop_worker
from benchmarks.figures import Section
from reconciliation.bootstrap import Bootstrap
from reconciliation.dispatcher import SweepOrder
from reconciliation.embedded.redis_server import RedisServer
from reconciliation.models import AssetType, RunRequest
from reconciliation.publishing.sweep_sender import TaskSweepSender
from reconciliation.publishing.task_sender import TaskMessage
from reconciliation.registered import Connection, RegisteredAccount
from reconciliation.settings import Settings
from reconciliation.storage.engine import read_transaction, write_transaction
from reconciliation.storage.ledger_tables import RunRow
from reconciliation.storage.migrate import upgrade
from reconciliation.storage.tables import Account, Position

OPENER = "benchmarks.bench_parts:open_simulated"
SLOW_ACCOUNTS = {"sweeps": 1_000, "single": 40}
FAST_ACCOUNTS = 1_000
EMPTY_TASKS = 400
WAIT_SECONDS = 180


def measure() -> Section:
    slow_sweeps = _with_site(None, lambda site: _sweeps(site, SLOW_ACCOUNTS["sweeps"]), latency_seconds=0.1)
    slow_single = _with_site(None, lambda site: _single(site, SLOW_ACCOUNTS["single"]), latency_seconds=0.1)
    empty = _with_site(None, _empty, latency_seconds=0)
    on_sqlite = _with_site(None, lambda site: _sweeps(site, FAST_ACCOUNTS), latency_seconds=0)
    rows = [
        ["A: broker of 100 ms a query, sweeps", f"{slow_sweeps:,.0f}/s"],
        ["A: the same, one task per account", f"{slow_single:,.1f}/s"],
        ["B: empty tasks", f"{empty:,.0f}/s"],
        [f"B: no latency, {POSITIONS} positions, SQLite", f"{on_sqlite:,.0f}/s"],
    ]
    conclusions = [f"A, wanted: at least 30 times; seen: {slow_sweeps / slow_single:.0f} times."]
    on_postgres = _on_postgres()
    if on_postgres is not None:
        rows.append([f"B: no latency, {POSITIONS} positions, PostgreSQL", f"{on_postgres:,.0f}/s"])
        conclusions.append(f"B, wanted: 3 times the empty tasks on PostgreSQL; seen: {on_postgres / empty:.1f} times.")
    return Section(
        name="sweeps",
        title="Sweeps: accounts a second through real workers",
        columns=["what", "rate"],
        rows=rows,
        conclusions=[*conclusions, "One worker, prefork, 2 processes; runs recorded and published; one run, in turn."],
    )


def _on_postgres() -> float | None:
    try:
        from tests.servers import run_postgres  # noqa: PLC0415 - needs the test extra
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as directory, run_postgres(Path(directory)) as url:
        return _with_site(url, lambda site: _sweeps(site, FAST_ACCOUNTS), latency_seconds=0)


def _with_site(database_url: str | None, measured: Callable[[Bootstrap], float], *, latency_seconds: float) -> float:
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server:
        url = database_url or f"sqlite:///{Path(directory) / 'bench.db'}"
        values: dict[str, Any] = {"redis_url": server.url, "database_url": url, "dispatch_lease_seconds": 600}
        site = Bootstrap(Settings(**values))
        try:
            upgrade(site.engine)
            options = {"latency_seconds": latency_seconds, "positions": POSITIONS}
            site.connection_store.add(Connection(name="bench", broker=OPENER, options=options, concurrency=None))
            worker = start_worker(values, Path(directory))
            try:
                return measured(site)
            finally:
                stop_worker(worker)
        finally:
            site.close()


def _fill(site: Bootstrap, count: int) -> list[str]:
    ids = [f"ACC-{number:05}" for number in range(count)]
    site.registry.add(RegisteredAccount(account_id=name, connection="bench") for name in ids)
    with write_transaction(site.engine) as db:
        db.execute(insert(Account), [{"account_id": name, "cash": 100_000, "equity": 100_000} for name in ids])
        for name in ids:
            db.execute(
                insert(Position),
                [
                    {
                        "account_id": name,
                        "symbol": f"S{number:03}",
                        "asset_type": AssetType.STOCK,
                        "quantity": Decimal(10),
                        "avg_cost": Decimal("12.34"),
                    }
                    for number in range(POSITIONS)
                ],
            )
    site.account_mirror.refresh()
    return ids


def _sweeps(site: Bootstrap, count: int) -> float:
    ids = _fill(site, count)
    requests = [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in ids]
    for first in range(0, count, 500):
        site.due_queue.ask(requests[first : first + 500])
    orders: list[SweepOrder] = []
    while claims := site.due_queue.claim(limit=1_000, share=1_000, lease_ms=600_000):
        pairs = [(claim.entry, claim.fence) for claim in claims]
        size = site.settings.sweep_size
        orders += [SweepOrder(connection="bench", claims=pairs[at : at + size]) for at in range(0, len(pairs), size)]
    began = time.perf_counter()
    TaskSweepSender(site.task_sender).send(orders, expires_seconds=600)
    return _rate(site, count, began)


def _single(site: Bootstrap, count: int) -> float:
    ids = _fill(site, count)
    began = time.perf_counter()
    site.task_sender.send_many(
        [
            TaskMessage(
                name="reconciliation.reconcile_account",
                kwargs={"account_id": name, "run_id": str(uuid4()), "schema": 1},
                queue="reconciliation",
            )
            for name in ids
        ]
    )
    return _rate(site, count, began)


def _empty(site: Bootstrap) -> float:
    """Sweeps without claims: everything a task costs, and no account."""
    empty: Sequence[SweepOrder] = [SweepOrder(connection="bench", claims=[])] * EMPTY_TASKS
    began = time.perf_counter()
    TaskSweepSender(site.task_sender).send(empty, expires_seconds=600)
    while site.task_sender.count_waiting("reconciliation.sweeps"):
        _check(began)
    return EMPTY_TASKS / (time.perf_counter() - began)


def _rate(site: Bootstrap, count: int, began: float) -> float:
    while True:
        with read_transaction(site.engine) as db:
            made = db.execute(select(func.count()).select_from(RunRow)).scalar_one()
        if made >= count:
            return count / (time.perf_counter() - began)
        _check(began)


def _check(began: float) -> None:
    if time.perf_counter() - began > WAIT_SECONDS:
        raise TimeoutError(f"not done after {WAIT_SECONDS} s")
    time.sleep(0.05)
