import pytest

from reconciliation.broker.paper import PaperBroker
from reconciliation.broker.registry import broker_names, open_broker
from reconciliation.errors import ConfigurationError


def test_the_paper_broker_is_found_by_name() -> None:
    assert isinstance(open_broker("paper", {}), PaperBroker)


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"no broker 'papper'; installed are: .*paper"):
        open_broker("papper", {})


def test_every_installed_broker_has_one_name() -> None:
    assert len(set(broker_names())) == len(broker_names())
