"""What the benches of sweeps need in a worker process: a broker with a latency, and the worker itself."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.broker.query import BrokerAccount, BrokerPosition
from reconciliation.models import AssetType

ROOT = Path(__file__).parents[1]
POSITIONS = 20
START_SECONDS = 90


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


def start_worker(settings: Mapping[str, object], directory: Path) -> "subprocess.Popen[bytes]":
    """Start a worker of two processes and wait until it is ready."""
    values = {f"RECONCILIATION_{name.upper()}": str(value) for name, value in settings.items()}
    environment = os.environ | values | {"PYTHONPATH": str(ROOT), "RECONCILIATION_LOG_LEVEL": "INFO"}
    argv = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    log = directory / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(argv, env=environment, cwd=directory, stdout=output, stderr=output)
    deadline = time.monotonic() + START_SECONDS
    while b" ready." not in log.read_bytes():
        if time.monotonic() > deadline or worker.poll() is not None:
            worker.kill()
            raise TimeoutError(f"the worker did not start:\n{log.read_text()}")
        time.sleep(0.1)
    return worker


def stop_worker(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
