"""A third party's broker, as a worker finds one: answers when a file says so, or never."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition

PACKAGE = "slow_broker"
POLL_SECONDS = 0.02


def install(directory: Path) -> dict[str, str]:
    """Make an installed package of this file in `directory`; return the variables by which a process sees it."""
    metadata = directory / f"{PACKAGE}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[reconciliation.brokers]\nslow = {PACKAGE}:open_slow\n")
    (directory / f"{PACKAGE}.py").write_text(Path(__file__).read_text())
    return {"PYTHONPATH": str(directory)}


class SlowBroker:
    """Leaves a file `asked-<account>`, and answers once the file `answer` exists."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        with (self._directory / f"asked-{account_id}").open("a") as asked:
            asked.write("asked\n")
        while not (self._directory / "answer").exists():
            await asyncio.sleep(POLL_SECONDS)
        return []

    async def get_account(self, account_id: str) -> BrokerAccount:
        return BrokerAccount(account_id, None, None, None, None)


def open_slow(options: Mapping[str, Any], secrets: Mapping[str, str]) -> SlowBroker:
    return SlowBroker(Path(options["directory"]))
