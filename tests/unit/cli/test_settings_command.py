"""`reconcile settings`: the list in sections, and what is in effect without a secret."""

import json

import pytest
from click.testing import CliRunner

from reconciliation.cli import cli

PLANTED = "pl4nted-key"


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_list_has_sections_and_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILIATION_SWEEP_SIZE", "77")
    output = CliRunner().invoke(cli, ["settings"]).output
    assert "\nSchedule\n" in output
    assert "77" not in output


def test_values_in_effect_are_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILIATION_SWEEP_SIZE", "77")
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", f"redis://me:{PLANTED}@cache:6380/2")
    monkeypatch.setenv("RECONCILIATION_BROKER_OPTIONS", json.dumps({"api_key": PLANTED, "paper": True}))
    for arguments in (["settings", "--effective"], ["settings", "--effective", "--json"]):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0
        assert PLANTED not in result.output
    rows = {row["variable"]: row for row in json.loads(result.output)}
    assert rows["RECONCILIATION_SWEEP_SIZE"]["value"] == "77"
    assert rows["RECONCILIATION_SWEEP_SIZE"]["section"] == "Schedule"
    assert rows["RECONCILIATION_REDIS_URL"]["value"] == "redis://cache:6380/2"
    assert "paper" in rows["RECONCILIATION_BROKER_OPTIONS"]["value"]
