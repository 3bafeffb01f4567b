"""Hand-written parts for the service: a book and a broker that can fail on demand, a channel that remembers."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reconciliation import ReconciliationConfig, ReconciliationService
from reconciliation.domain.model.models import AssetType, OrderFill
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, LocalPosition


class Book:
    def __init__(self) -> None:
        self.positions: Any = [LocalPosition("AAPL", Decimal(5), Decimal(10), AssetType.STOCK)]
        self.error: Exception | None = None

    async def get_positions(self, account_id: str) -> Sequence[LocalPosition]:
        if self.error:
            raise self.error
        return self.positions

    async def get_cash(self, account_id: str) -> Decimal | None:
        return Decimal(100)

    async def get_equity(self, account_id: str) -> Decimal | None:
        return Decimal(1000)


class Broker:
    def __init__(self) -> None:
        self.positions: Any = [BrokerPosition("AAPL", Decimal(5), Decimal(10), None, AssetType.STOCK)]
        self.account: Any = BrokerAccount("A", Decimal(100), None, Decimal(1000), None)
        self.error: Exception | None = None
        self.latency_seconds = 0.0
        self.started_at: list[float] = []
        self.at_once = 0
        self.most_at_once = 0

    async def get_positions(self, account_id: str) -> list[BrokerPosition]:
        self.started_at.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.latency_seconds)
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
        return self.positions

    async def get_account(self, account_id: str) -> BrokerAccount:
        return self.account


class Channel:
    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None

    async def publish(self, channel: str, payload: str, /) -> int:
        if self.error:
            raise self.error
        self.published.append((channel, json.loads(payload)))
        return 1

    def results(self) -> list[dict[str, Any]]:
        return [message for channel, message in self.published if channel == "reconciliation:result"]

    def triggers(self) -> list[str]:
        return [result["context"]["trigger"] for result in self.results()]


class Parts:
    """A service and all that it was built of."""

    def __init__(self, **config: Any) -> None:
        self.book, self.broker, self.channel = Book(), Broker(), Channel()
        self.config = ReconciliationConfig("A", **config)
        self.service = ReconciliationService(
            position_provider=self.book, broker_query=self.broker, redis=self.channel, config=self.config
        )


def fill(number: int) -> OrderFill:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return OrderFill(f"F{number}", f"O{number}", "AAPL", "buy", Decimal(1), Decimal(10), now)


def now() -> float:
    return asyncio.get_running_loop().time()
