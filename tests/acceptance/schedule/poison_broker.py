"""A broker whose accounts do harm, each in the way that its name says; the others are clean."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition

OPENER = "tests.acceptance.schedule.poison_broker:open_poison"
POLL_SECONDS = 0.02


class _Trap:
    """Raises wherever our code first looks at it."""

    symbol = "TRAP"
    asset_type = AssetType.STOCK
    multiplier = None
    identifiers: Mapping[str, str] = {}

    @property
    def quantity(self) -> Any:
        raise RuntimeError("a holding that cannot be looked at")


class PoisonBroker:
    """Leaves a file `asked-<account>` with a line for each time; a HELD account waits for the file `answer`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def get_positions(self, account_id: str) -> Sequence[Any]:
        with (self._directory / f"asked-{account_id}").open("a") as asked:
            asked.write("asked\n")
        match account_id.partition("-")[0]:
            case "KILL":
                await asyncio.sleep(0.5)  # the others of its sweep are asked about meanwhile
                os.kill(os.getpid(), signal.SIGKILL)
            case "HELD":
                while not (self._directory / "answer").exists():
                    await asyncio.sleep(POLL_SECONDS)
            case "TRAP":
                return [_Trap()]
            case "NUL":
                return [BrokerPosition("A\0B", 10, None, None, AssetType.STOCK)]
            case "SURROGATE":
                return [BrokerPosition("A\ud800B", 10, None, None, AssetType.STOCK)]
        return []

    async def get_account(self, account_id: str) -> BrokerAccount:
        if account_id.startswith("FOREIGN"):
            return SimpleNamespace(as_of=None)  # type: ignore[return-value]  # what a careless plug-in gives
        return BrokerAccount(account_id, None, None, None, None)


def open_poison(options: Mapping[str, Any], secrets: Mapping[str, str]) -> PoisonBroker:
    return PoisonBroker(Path(options["directory"]))
