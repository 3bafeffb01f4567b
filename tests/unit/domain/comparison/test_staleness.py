"""Stale is incomplete: what a side said too long ago is not compared, and a feed that dies while flat is told."""

from datetime import UTC, date, datetime, timedelta

import pytest

from reconciliation import ReconciliationConfig, ReconciliationResult
from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.calendar import BusinessCalendar
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from reconciliation.errors import InvalidInputError

TUESDAY = datetime(2026, 11, 24, 15, tzinfo=UTC)
FRIDAY = datetime(2026, 11, 20, tzinfo=UTC)


def conclude_at(
    now: datetime,
    *,
    broker: datetime | None = None,
    local: datetime | None = None,
    is_statement: bool = False,
    config: ReconciliationConfig | None = None,
) -> ReconciliationResult:
    """Conclude a run of an account that is flat on both sides."""
    return conclude(
        RunRequest(account_id="A", context={}),
        config or ReconciliationConfig("A"),
        RunStart.now(calendar=lambda: now),
        LocalSnapshot(account_id="A", positions=[], as_of=local),
        BrokerSnapshot(
            account=BrokerAccount("A", None, None, None, None), positions=[], as_of=broker, is_statement=is_statement
        ),
    )


def side(result: ReconciliationResult) -> tuple[str, str] | None:
    return None if result.error is None else (result.error.kind, result.error.side)


def test_a_feed_that_died_while_flat_is_incomplete_and_not_clean() -> None:
    three_weeks = timedelta(weeks=3)
    stale = conclude_at(TUESDAY, broker=TUESDAY - three_weeks, is_statement=True)
    assert side(stale) == ("stale", "broker")
    assert stale.error is not None
    assert "the statement is of 2026-11-03, more than 3 business days ago" in stale.error.message
    assert side(conclude_at(TUESDAY, local=TUESDAY - three_weeks)) == ("stale", "local")


def test_a_side_that_does_not_state_its_time_is_as_of_now() -> None:
    assert side(conclude_at(TUESDAY)) is None


@pytest.mark.parametrize(("minutes", "expected"), [(15, None), (16, ("stale", "broker")), (-600, None)])
def test_a_live_broker_is_judged_in_minutes(minutes: int, expected: tuple[str, str] | None) -> None:
    assert side(conclude_at(TUESDAY, broker=TUESDAY - timedelta(minutes=minutes))) == expected


@pytest.mark.parametrize(("days", "expected"), [(0, None), (1, None), (2, None), (3, None), (4, ("stale", "broker"))])
def test_a_weekend_does_not_age_a_statement(days: int, expected: tuple[str, str] | None) -> None:
    """Friday's statement: Monday is the first business day after it, Thursday the fourth."""
    now = datetime(2026, 11, 20, 22, tzinfo=UTC) if days == 0 else TUESDAY + timedelta(days=days - 2)
    assert side(conclude_at(now, broker=FRIDAY, is_statement=True)) == expected


def test_a_holiday_does_not_age_a_statement() -> None:
    now = TUESDAY + timedelta(days=2)
    calendar = BusinessCalendar(holidays=(date(2026, 11, 26),))
    config = ReconciliationConfig("A", calendar=calendar)
    assert side(conclude_at(now, broker=FRIDAY, is_statement=True)) == ("stale", "broker")
    assert side(conclude_at(now, broker=FRIDAY, is_statement=True, config=config)) is None


def test_zero_allows_any_age() -> None:
    config = ReconciliationConfig(
        "A", max_broker_age_seconds=0, max_statement_age_business_days=0, max_local_age_business_days=0
    )
    old = TUESDAY - timedelta(days=900)
    for is_statement in (True, False):
        assert side(conclude_at(TUESDAY, broker=old, local=old, is_statement=is_statement, config=config)) is None


def test_a_connection_has_ages_and_days_of_its_own() -> None:
    options = {"path": "x", "max_statement_age_business_days": 1, "zone": "Asia/Tokyo", "holidays": ["2026-11-23"]}
    connection = Connection(name="c", broker="flex", options=options)
    config = connection.config(ReconciliationConfig("A", max_broker_age_seconds=60))
    assert (config.max_statement_age_business_days, config.max_broker_age_seconds) == (1, 60)
    assert config.calendar == BusinessCalendar(zone="Asia/Tokyo", holidays=(date(2026, 11, 23),))
    assert connection.broker_options == {"path": "x"}


@pytest.mark.parametrize(
    "options", [{"zone": "Mars"}, {"zone": 7}, {"holidays": ["soon"]}, {"max_broker_age_seconds": -1}]
)
def test_an_option_that_cannot_be_read_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Connection(name="c", broker="flex", options=options)


@pytest.mark.parametrize(("zone", "clean"), [("UTC", False), ("America/New_York", True)])
def test_the_day_of_a_mapping_is_a_day_of_the_connections_zone(zone: str, clean: bool) -> None:
    """At 20:00 in New York the last day of the mapping goes on, although it is over in UTC."""
    evening = datetime(2022, 6, 9, 0, 30, tzinfo=UTC)
    mapping = SymbolMapping(broker="*", broker_symbol="FB", local_symbol="META", valid_to=date(2022, 6, 8))
    result = conclude(
        RunRequest(account_id="A", context={}),
        ReconciliationConfig("A"),
        RunStart.now(calendar=lambda: evening),
        LocalSnapshot(account_id="A", positions=[LocalPosition("META", 1, 1, AssetType.STOCK)]),
        BrokerSnapshot(
            account=BrokerAccount("A", None, None, None, None),
            positions=[BrokerPosition("FB", 1, 1, None, AssetType.STOCK)],
        ),
        symbol_context=SymbolContext(
            resolver=SymbolResolver([mapping]), brokers=(), calendar=BusinessCalendar(zone=zone)
        ),
    )
    assert result.is_clean is clean
