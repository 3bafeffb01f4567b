from decimal import Decimal

import pytest
from sqlalchemy import Engine

from reconciliation import Comparator, ReconciliationConfig
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.tables.local_book import Position
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import ConfigurationError


def test_a_position_made_empty_and_filled_by_attribute_can_be_compared() -> None:
    position = Position()
    position.account_id = "A"
    position.symbol = "AAPL"
    position.quantity = Decimal(10)
    position.avg_cost = Decimal("1.50")
    broker = BrokerPosition("AAPL", Decimal(10), Decimal("1.50"), Decimal(15), AssetType.STOCK)

    assert Comparator(ReconciliationConfig("A")).compare_positions([position], [broker]) == []
    position.asset_type = AssetType.OPTION
    assert len(Comparator(ReconciliationConfig("A")).compare_positions([position], [broker])) == 2


@pytest.mark.parametrize("url", ["postgres://h/b", "postgresql://h/b", "postgresql+psycopg://h/b"])
def test_every_spelling_of_postgresql_means_the_same_driver(url: str) -> None:
    assert build_engine(url).url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://u:s3cret@h/b", "our own tables cannot live at mysql://"),
        ("sqlite://", "in memory is lost"),
        ("sqlite:///:memory:", "in memory is lost"),
        ("s3cret", "cannot be parsed"),
        ("postgresql+psycopg://u:s3cret@h:port/b", "cannot be parsed"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_repeating_it(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        build_engine(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_engine_hides_its_password_and_its_parameters() -> None:
    engine: Engine = build_engine("postgresql://u:s3cret@h/b")
    assert "s3cret" not in repr(engine)
    assert engine.hide_parameters
