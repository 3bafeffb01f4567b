"""What an account and a connection may be registered with."""

from typing import Any

import pytest

from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.errors import InvalidInputError


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"interval_seconds": 0.5}, "interval_seconds is 0.5: it must be between 1 and"),
        ({"run_lease_seconds": 0}, "run_lease_seconds is 0: it must be more than 0 and at most 86400"),
        ({"post_fill_backoff_seconds": float("nan")}, "post_fill_backoff_seconds is nan"),
        ({"post_fill_max_backoff_seconds": 1e9}, "post_fill_max_backoff_seconds is 1000000000.0"),
        (
            {"post_fill_backoff_seconds": 9, "post_fill_max_backoff_seconds": 8},
            r"post_fill_max_backoff_seconds \(8\) is below post_fill_backoff_seconds \(9\)",
        ),
        ({"labels": frozenset({""})}, "label"),
    ],
)
def test_a_figure_that_cannot_work_is_refused_by_its_name(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as caught:
        RegisteredAccount(account_id="ACC-1", **fields)
    assert "ACC-1" in str(caught.value)
