"""What the benches of sweeps need in a worker process: a broker with a latency, and the processes themselves."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition

ROOT = Path(__file__).parents[1]
POSITIONS = 20
START_SECONDS = 90
STOP_SECONDS = 20


class SimulatedBroker:
    """Answers every account alike, each query after `latency_seconds`."""

    def __init__(self, latency_seconds: float, positions: int) -> None:
        self._latency_seconds = latency_seconds
        self._positions = [
            BrokerPosition(f"S{number:03}", Decimal(10), Decimal("12.34"), None, AssetType.STOCK)
            for number in range(positions)
        ]

    async def get_positions(self, account_id: str) -> Sequence[BrokerPosition]:  # noqa: ARG002
        await asyncio.sleep(self._latency_seconds)
        return self._positions

    async def get_account(self, account_id: str) -> BrokerAccount:
        await asyncio.sleep(self._latency_seconds)
        return BrokerAccount(account_id, Decimal(100_000), None, Decimal(100_000), None)


def open_simulated(options: Mapping[str, Any], secrets: Mapping[str, str]) -> SimulatedBroker:  # noqa: ARG001
    return SimulatedBroker(options["latency_seconds"], options["positions"])


@contextmanager
def fresh_site() -> Iterator[tuple[Path, str, str]]:
    """Give a folder, the URL of a Redis and that of a migrated SQLite database, all of them gone afterwards."""
    with tempfile.TemporaryDirectory() as name, RedisServer() as server:
        url = f"sqlite:///{Path(name) / 'book.db'}"
        engine = build_engine(url)
        upgrade(engine)
        engine.dispose()
        yield Path(name), server.url, url


def start_worker(settings: Mapping[str, object], directory: Path) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Run a worker of two processes, ready."""
    argv = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-I", "benchmarks.empty_task"]
    return started(argv, environment(settings), directory, ready=" ready.")


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the variables that say these settings to a process of ours."""
    values = {
        f"RECONCILIATION_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in settings.items()
    }
    return values | {"PYTHONPATH": str(ROOT), "RECONCILIATION_LOG_LEVEL": "INFO"}


@contextmanager
def started(
    argv: Sequence[str], variables: Mapping[str, str], directory: Path, *, ready: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program whose log says `ready` once it can be used."""
    log = directory / "program.log"
    child = os.environ | {"PYTHONUNBUFFERED": "1"} | variables
    with log.open("wb") as output:
        program = subprocess.Popen(argv, env=child, cwd=directory, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while ready not in log.read_text():
            if time.monotonic() > deadline or program.poll() is not None:
                raise TimeoutError(f"it did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield program
    finally:
        program.terminate()
        try:
            program.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()


def memory_mb(pid: int) -> float | None:
    """Return the resident memory of a process; None where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    sizes = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(sizes["VmRSS"].split()[0]) / 1000
