"""What an account and a connection may be registered with."""

from typing import Any

import pytest

from reconciliation.adapters.database.tables.registry import AccountRow
from reconciliation.cli.accounts import add
from reconciliation.domain.model.accounts import ACCOUNT_SETTINGS, RegisteredAccount
from reconciliation.errors import InvalidInputError
from tests.support.places import ROOT


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"interval_seconds": 0.5}, "interval_seconds is 0.5: it must be between 1 and"),
        ({"run_lease_seconds": 0}, "run_lease_seconds is 0: it must be between 0.001 and 86400"),
        ({"post_fill_backoff_seconds": float("nan")}, "post_fill_backoff_seconds: nan is not a finite number"),
        ({"post_fill_max_backoff_seconds": 1e9}, "post_fill_max_backoff_seconds is 1000000000.0"),
        (
            {"post_fill_backoff_seconds": 9, "post_fill_max_backoff_seconds": 8},
            r"post_fill_max_backoff_seconds \(8\) is below post_fill_backoff_seconds \(9\)",
        ),
        ({"labels": frozenset({""})}, "label"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence) as caught:
        RegisteredAccount(account_id="ACC-1", **fields)
    assert "ACC-1" in str(caught.value)


@pytest.mark.parametrize("name", [setting.name for setting in ACCOUNT_SETTINGS])
def test_each_setting_of_an_account_has_its_column_its_option_and_a_line_in_the_docs(name: str) -> None:
    [setting] = [each for each in ACCOUNT_SETTINGS if each.name == name]
    assert name in AccountRow.__table__.columns
    assert setting.option in {option for parameter in add.params for option in parameter.opts}
    page = (ROOT / "docs" / "schedule.md").read_text()
    assert f"| `{name}` | {setting.unit} | {setting.help} |" in page


@pytest.mark.parametrize("name", ["account_id", "connection", "broker_account_id", "currency", "labels"])
@pytest.mark.parametrize("text", ["x" * 129, "a\x00b", "a\ud800", " a", ""])
def test_a_text_that_no_database_or_log_takes_is_refused(name: str, text: str) -> None:
    fields: dict[str, Any] = {"account_id": "A"} | {name: frozenset({text}) if name == "labels" else text}
    with pytest.raises(InvalidInputError):
        RegisteredAccount(**fields)
