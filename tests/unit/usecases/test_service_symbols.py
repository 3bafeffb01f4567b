"""The service follows the same symbol rules as `compare` and the workers, and reads a book that is not async."""

import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from reconciliation import ReconciliationService
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition, LocalPosition
from reconciliation.service import SymbolMapping
from tests.unit.usecases.service_parts import Parts


def named(local: str, broker: str, **options: Any) -> Parts:
    parts = Parts()
    parts.book.positions = [LocalPosition(local, Decimal(5), Decimal(10), AssetType.STOCK)]
    parts.broker.positions = [BrokerPosition(broker, Decimal(5), Decimal(10), None, AssetType.STOCK)]
    parts.service = ReconciliationService(
        position_provider=parts.book, broker_query=parts.broker, redis=parts.channel, config=parts.config, **options
    )
    return parts


async def test_one_name_written_in_two_ways_is_one_position() -> None:
    assert (await named("BRK.B", "BRK B").service.reconcile()).is_clean


@pytest.mark.parametrize(
    "symbols",
    [
        {"FB": "META"},
        [SymbolMapping(broker="*", broker_symbol="FB", local_symbol="META")],
        [SymbolMapping(broker="alpaca", broker_symbol="FB", local_symbol="META", valid_from=date(2022, 6, 9))],
    ],
)
async def test_a_mapping_brings_two_names_together(symbols: Any) -> None:
    assert not (await named("META", "FB").service.reconcile()).is_clean
    assert (await named("META", "FB", symbols=symbols).service.reconcile()).is_clean


async def test_a_row_of_the_callers_own_class_is_renamed_as_well() -> None:
    class Row:
        symbol, quantity, avg_cost, asset_type = "BRK.B", Decimal(5), Decimal(10), AssetType.STOCK

    parts = named("BRK.B", "BRK B")
    parts.book.positions = [Row(), Row()]
    parts.broker.positions *= 2
    assert (await parts.service.reconcile()).is_clean


async def test_a_book_that_is_not_async_is_read_outside_the_event_loop() -> None:
    class Book:
        def __init__(self) -> None:
            self.threads: set[int] = set()

        def get_positions(self, account_id: str) -> list[LocalPosition]:
            self.threads.add(threading.get_ident())
            return [LocalPosition("AAPL", Decimal(5), Decimal(10), AssetType.STOCK)]

        def get_cash(self, account_id: str) -> Decimal:
            return Decimal(100)

        def get_equity(self, account_id: str) -> Decimal:
            return Decimal(1000)

    parts, book = Parts(), Book()
    service = ReconciliationService(
        position_provider=book, broker_query=parts.broker, redis=parts.channel, config=parts.config
    )
    assert (await service.reconcile()).is_clean
    assert threading.get_ident() not in book.threads
