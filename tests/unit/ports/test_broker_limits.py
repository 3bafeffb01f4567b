import pytest

from reconciliation.errors import InvalidInputError
from reconciliation.ports.broker import BrokerLimits


def test_limits_may_say_that_no_rate_is_known():
    assert BrokerLimits(requests_per_second=None, concurrency=1).requests_per_second is None


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_no_request_could_keep_is_refused(rate):
    with pytest.raises(InvalidInputError, match="requests_per_second"):
        BrokerLimits(requests_per_second=rate, concurrency=1)


@pytest.mark.parametrize("field", ["concurrency", "requests_per_account"])
def test_limits_allow_at_least_one_request(field):
    with pytest.raises(InvalidInputError, match=field):
        BrokerLimits(**{"requests_per_second": 1.0, "concurrency": 1, field: 0})
