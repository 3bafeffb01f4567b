"""Bench A and B: accounts a second through real workers, beside one task per account and beside empty tasks.

What is compared runs in turn, on the same worker: a busy moment of the machine hits both.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import func, insert, select, text

from benchmarks.bench_parts import POSITIONS, start_worker
from benchmarks.figures import Section, middle
from reconciliation.adapters.celery.task_sender import TaskMessage
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.due_status import read_status
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest
from reconciliation.messages.tasks import SWEEPS_QUEUE
from reconciliation.ports.task_queue import SweepOrder
from reconciliation.settings import Settings

OPENER = "benchmarks.bench_parts:open_simulated"
LATENCY_SECONDS = 0.1
ACCOUNTS = 8_000
SINGLE_ACCOUNTS = 60
EMPTY_TASKS = 1_000
ROUNDS = 5
#: Both children of a worker build their parts and fill their caches before the first round.
WARM_UP_SWEEPS = 20
WARM_UP_ACCOUNTS = 10
WAIT_SECONDS = 300

#: A rate of something, measured once.
Measured = Callable[["_Site"], float]


def measure() -> Section:
    slow = _with_site(None, {"sweeps": _sweeps, "single": _single}, latency_seconds=LATENCY_SECONDS)
    lite = _with_site(None, {"sweeps": _sweeps, "empty": _empty}, latency_seconds=0)
    rows = [
        ["A: broker of 100 ms a query, sweeps", f"{slow['sweeps']:,.0f}/s"],
        ["A: the same, one task per account", f"{slow['single']:,.1f}/s"],
        [f"B: no latency, {POSITIONS} positions, SQLite", f"{lite['sweeps']:,.0f}/s"],
        ["B: empty tasks, in turn with it", f"{lite['empty']:,.0f}/s"],
    ]
    conclusions = [
        f"A, wanted: at least 30 times; seen: {slow['sweeps'] / slow['single']:.0f} times.",
        f"B on SQLite, which has one writer: {lite['sweeps'] / lite['empty']:.1f} times the empty tasks.",
    ]
    with _postgres() as url:
        if url is not None:
            post = _with_site(url, {"sweeps": _sweeps, "empty": _empty}, latency_seconds=0)
            rows.append([f"B: no latency, {POSITIONS} positions, PostgreSQL", f"{post['sweeps']:,.0f}/s"])
            rows.append(["B: empty tasks, in turn with it", f"{post['empty']:,.0f}/s"])
            ratio = post["sweeps"] / post["empty"]
            conclusions.append(f"B, wanted: 3 times the empty tasks on PostgreSQL; seen: {ratio:.1f} times.")
    method = (
        f"One worker, prefork, 2 processes, warm; sweeps of the default size; runs recorded and published; the middle "
        f"of {ROUNDS} rounds in turn. Worker, Redis, database and bench share the cores."
    )
    return Section(
        name="sweeps",
        title="Sweeps: accounts a second through real workers",
        columns=["what", "rate"],
        rows=rows,
        conclusions=[*conclusions, method],
    )


@contextmanager
def _postgres() -> Iterator[str | None]:
    try:
        from tests.support.servers import run_postgres  # noqa: PLC0415 - needs the test extra
    except ImportError:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory, run_postgres(Path(directory)) as url:
        yield url


class _Site:
    """A filled database and Redis, and a worker that is warm."""

    def __init__(self, parts: Bootstrap) -> None:
        self.parts = parts
        self.account_ids = [f"ACC-{number:05}" for number in range(ACCOUNTS)]

    def runs(self) -> int:
        with read_transaction(self.parts.stores.engine) as db:
            return int(db.execute(select(func.count()).select_from(RunRow)).scalar_one())

    def unfinished(self) -> int:
        return read_status(self.parts.coordination.space).requested


def _with_site(
    database_url: str | None, measured: Mapping[str, Measured], *, latency_seconds: float
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server:
        url = database_url or f"sqlite:///{Path(directory) / 'bench.db'}"
        values: dict[str, Any] = {"redis_url": server.url, "database_url": url, "dispatch_lease_seconds": 600}
        with open_parts(Settings(**values)) as parts:
            upgrade(parts.stores.engine)
            options = {"latency_seconds": latency_seconds, "positions": POSITIONS}
            parts.stores.connection_store.add(
                Connection(name="bench", broker=OPENER, options=options, concurrency=None)
            )
            site = _Site(parts)
            _fill(site)
            with start_worker(values, Path(directory)):
                _run(site, site.account_ids[: WARM_UP_SWEEPS * WARM_UP_ACCOUNTS], sweep_size=WARM_UP_ACCOUNTS)
                rates: dict[str, list[float]] = {name: [] for name in measured}
                for _ in range(ROUNDS):
                    for name, measure_once in measured.items():
                        rates[name].append(measure_once(site))
                return {name: middle(each) for name, each in rates.items()}


def _fill(site: _Site) -> None:
    parts, ids = site.parts, site.account_ids
    # Not enabled: what is asked for is all that is run.
    parts.stores.registry.add(RegisteredAccount(account_id=name, connection="bench", enabled=False) for name in ids)
    position = {"asset_type": AssetType.STOCK, "quantity": Decimal(10), "avg_cost": Decimal("12.34")}
    with write_transaction(parts.stores.engine) as db:
        db.execute(insert(Account), [{"account_id": name, "cash": 100_000, "equity": 100_000} for name in ids])
        for name in ids:
            db.execute(
                insert(Position),
                [{"account_id": name, "symbol": f"S{number:03}", **position} for number in range(POSITIONS)],
            )
    if parts.stores.engine.dialect.name == "postgresql":
        with parts.stores.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.execute(text("ANALYZE"))  # as autovacuum does within its minute
    parts.account_mirror.refresh()


def _sweeps(site: _Site) -> float:
    return _run(site, site.account_ids, sweep_size=site.parts.settings.sweep_size)


def _run(site: _Site, account_ids: Sequence[str], *, sweep_size: int) -> float:
    queue, before = site.parts.coordination.due_queue, site.runs()
    requests = [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in account_ids]
    for first in range(0, len(requests), 500):
        queue.enqueue(requests[first : first + 500])
    orders: list[SweepOrder] = []
    while claims := queue.claim(limit=1_000, share=1_000, lease_ms=600_000):
        pairs = [(claim.entry, claim.fence) for claim in claims]
        orders += [
            SweepOrder(connection="bench", claims=pairs[at : at + sweep_size])
            for at in range(0, len(pairs), sweep_size)
        ]
    began = time.perf_counter()
    site.parts.messaging.task_queue.send_sweeps(orders)
    # Asked of Redis: to count the runs again and again would keep the database busy.
    _wait(lambda: not site.unfinished(), began)
    seconds = time.perf_counter() - began
    if site.runs() < before + len(account_ids):
        raise RuntimeError("the due-queue is empty, and not every run was recorded")
    return len(account_ids) / seconds


def _single(site: _Site) -> float:
    before, ids = site.runs(), site.account_ids[:SINGLE_ACCOUNTS]
    began = time.perf_counter()
    site.parts.messaging.task_sender.send_many(
        [
            TaskMessage(
                name="reconciliation.reconcile_account",
                kwargs={"account_id": name, "run_id": str(uuid4()), "schema": 1},
                queue="reconciliation",
                is_awaited=False,
            )
            for name in ids
        ]
    )
    _wait(lambda: site.runs() >= before + len(ids), began)
    return len(ids) / (time.perf_counter() - began)


def _empty(site: _Site) -> float:
    message = TaskMessage(name="benchmarks.nothing", kwargs={}, queue=SWEEPS_QUEUE, is_awaited=False)
    began = time.perf_counter()
    site.parts.messaging.task_sender.send_many([message] * EMPTY_TASKS)
    _wait(lambda: not site.parts.messaging.task_sender.count_queued(SWEEPS_QUEUE), began)
    return EMPTY_TASKS / (time.perf_counter() - began)


def _wait(is_done: Callable[[], bool], began: float) -> None:
    while not is_done():
        if time.perf_counter() - began > WAIT_SECONDS:
            raise TimeoutError(f"not done after {WAIT_SECONDS} s")
        time.sleep(0.05)
