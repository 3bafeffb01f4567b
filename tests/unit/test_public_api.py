"""The calls that other code bases make: names, positions, defaults and payloads that must not change."""

import asyncio
import importlib
import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import reconciliation
import reconciliation.broker.paper
import reconciliation.broker.query
from reconciliation import (
    DEFAULT_SEVERITY_MAP,
    Comparator,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    ReconciliationConfig,
    ReconciliationResult,
    ReconciliationService,
)
from reconciliation.broker import BrokerAccount, BrokerPosition, BrokerQuery, PaperBroker
from reconciliation.models import AssetType, OrderFill
from reconciliation.tables import Position

broker = reconciliation.broker
NAIVE = datetime(2026, 11, 20, 12)  # noqa: DTZ001  callers do that


def test_every_public_name_is_exported() -> None:
    assert set(reconciliation.__all__) == {
        "DEFAULT_SEVERITY_MAP",
        "Comparator",
        "Discrepancy",
        "DiscrepancySeverity",
        "DiscrepancyType",
        "ReconciliationConfig",
        "ReconciliationResult",
        "ReconciliationService",
    }


def test_types_and_severities_are_strings_with_these_values() -> None:
    assert [kind.value for kind in DiscrepancyType] == [
        "missing_local",
        "missing_broker",
        "quantity_mismatch",
        "cost_mismatch",
        "cash_mismatch",
        "equity_mismatch",
    ]
    assert [severity.value for severity in DiscrepancySeverity] == ["info", "warning", "critical"]
    assert isinstance(DiscrepancyType.CASH_MISMATCH, str)
    assert isinstance(DiscrepancySeverity.INFO, str)
    assert {kind.value: severity.value for kind, severity in DEFAULT_SEVERITY_MAP.items()} == {
        "missing_local": "critical",
        "missing_broker": "critical",
        "quantity_mismatch": "critical",
        "cost_mismatch": "info",
        "cash_mismatch": "warning",
        "equity_mismatch": "warning",
    }


def test_the_config_has_these_defaults_and_is_mutable() -> None:
    config = ReconciliationConfig("A")
    assert (config.account_id, config.interval_seconds, config.post_fill_delay_seconds) == ("A", 300, 5.0)
    assert (config.cash_tolerance, config.equity_tolerance_pct, config.enabled) == (
        Decimal("1.00"),
        Decimal("0.1"),
        True,
    )
    assert config.post_fill_max_wait_seconds == 60
    config.interval_seconds = 0.5
    config.enabled = False
    assert asdict(config)["interval_seconds"] == 0.5
    assert ReconciliationConfig("A", 60, 2.0, Decimal(5), Decimal("0.2"), False).cash_tolerance == Decimal(5)


def test_positional_constructors_and_naive_times_taken_as_utc() -> None:
    noon = NAIVE.replace(tzinfo=UTC)
    found = Discrepancy(
        DiscrepancyType.CASH_MISMATCH, DiscrepancySeverity.WARNING, None, Decimal(1), Decimal(3), NAIVE, "A"
    )
    assert found.timestamp == noon
    result = ReconciliationResult("A", NAIVE, False, [found], 0, 1.5, {"trigger": "on_demand"})
    assert result.timestamp == noon
    assert isinstance(result.run_id, UUID)
    assert OrderFill("F1", "O1", "AAPL", "buy", Decimal(1), Decimal(10), NAIVE).timestamp == noon
    position = BrokerPosition("AAPL", 5, None, None, AssetType.STOCK)  # type: ignore[arg-type]  an int is accepted
    assert position.quantity == Decimal(5)
    account = BrokerAccount("A", Decimal(1), None, None, None)
    assert (account.buying_power, account.total_equity, account.margin_used) == (None, None, None)


def test_two_results_have_two_run_ids() -> None:
    one, other = (ReconciliationResult("A", NAIVE, True, [], 0, 1.0, {}) for _ in range(2))
    assert one.run_id != other.run_id


def test_a_position_of_the_tables_is_made_empty_and_filled_attribute_by_attribute() -> None:
    position = Position()
    position.account_id = "A"
    position.symbol = "AAPL"
    position.quantity = Decimal(5)
    position.avg_cost = Decimal(10)
    position.asset_type = AssetType.STOCK
    broker = [BrokerPosition("AAPL", Decimal(5), Decimal(10), Decimal(50), AssetType.STOCK)]
    assert Comparator(ReconciliationConfig("A")).compare_positions([position], broker) == []


async def test_a_paper_account_that_was_never_set_has_these_balances() -> None:
    broker = PaperBroker(fill_delay=0.1)
    assert isinstance(broker, BrokerQuery)
    account = await broker.get_account("A")
    assert (account.cash, account.total_equity) == (Decimal("100000.00"), Decimal("100000.00"))
    assert (account.buying_power, account.margin_used) == (Decimal("200000.00"), Decimal(0))
    broker.add_position("A", "AAPL", Decimal(5), Decimal(10), Decimal(55))
    broker.set_account("A", Decimal(1), Decimal(2), Decimal(3), Decimal(4))
    (position,) = await broker.get_positions("A")
    assert position == BrokerPosition("AAPL", Decimal(5), Decimal(10), Decimal(55), AssetType.STOCK)
    assert (await broker.get_account("A")).margin_used == Decimal(4)


class Book:
    async def get_positions(self, account_id: str) -> list[Position]:
        return []

    async def get_cash(self, account_id: str) -> Decimal:
        return Decimal("100000.00")

    async def get_equity(self, account_id: str) -> Decimal:
        return Decimal("100000.00")


class Redis:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def publish(self, channel: str, payload: str) -> None:
        self.sent.append((channel, payload))


async def test_the_service_and_its_payloads() -> None:
    channel, broker = Redis(), PaperBroker()
    broker.add_position("A", "AAPL", Decimal(5), Decimal(10), Decimal(55))
    config = ReconciliationConfig("A", post_fill_delay_seconds=0.0)
    service = ReconciliationService(position_provider=Book(), broker_query=broker, redis=channel, config=config)
    await service.start()
    await service.on_fill(OrderFill("F1", "O1", "AAPL", "buy", Decimal(1), Decimal(10), NAIVE))
    async with asyncio.timeout(30):
        while len(channel.sent) < 4:
            await asyncio.sleep(0)
    await service.stop()
    name, payload = channel.sent[0]
    assert name == "reconciliation:discrepancy"
    fields = "run_id type severity symbol local_value broker_value timestamp account_id"
    assert set(fields.split()) <= json.loads(payload).keys()
    name, payload = channel.sent[-1]
    assert name == "reconciliation:result"
    told = json.loads(payload)
    fields = "run_id account_id timestamp is_clean discrepancy_count positions_checked duration_ms context"
    assert set(fields.split()) <= told.keys()
    assert (
        told["context"].items()
        >= {
            "trigger": "post_fill",
            "order_id": "O1",
            "fill_id": "F1",
            "symbol": "AAPL",
        }.items()
    )


def test_each_public_name_is_the_object_of_its_home() -> None:
    homes = {
        "reconciliation.models": "reconciliation.domain.model.models",
        "reconciliation.comparator": "reconciliation.domain.comparison.comparator",
        "reconciliation.service": "reconciliation.usecases.service",
        "reconciliation.enqueue": "reconciliation.client.report_fills",
        "reconciliation.tables": "reconciliation.adapters.database.tables.local_book",
        "reconciliation.storage.tables": "reconciliation.adapters.database.tables.local_book",
        "reconciliation.broker.paper": "reconciliation.adapters.brokers.paper.paper",
    }
    for public, home in homes.items():
        module = importlib.import_module(public)
        for name in module.__all__:
            assert getattr(module, name) is getattr(importlib.import_module(home), name), f"{public}.{name}"
    for name in (*broker.query.__all__, *broker.paper.__all__):
        assert getattr(broker, name) is getattr(broker.query, name, getattr(broker.paper, name, None)), name
