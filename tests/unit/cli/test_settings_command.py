"""`reconcile settings` knows every setting, and shows no value that is set."""

import json

import pytest
from click.testing import CliRunner

from reconciliation.cli import cli
from reconciliation.settings import Settings


def test_every_setting_is_listed_with_its_meaning_and_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", "redis://:pl4nted@cache")
    result = CliRunner().invoke(cli, ["settings", "--json"])
    assert result.exit_code == 0, result.output
    listed = {row["variable"]: row for row in json.loads(result.stdout)}
    assert set(listed) == {f"RECONCILIATION_{name.upper()}" for name in Settings.model_fields}
    assert all(row["meaning"] for row in listed.values())
    assert listed["RECONCILIATION_REDIS_URL"]["default"] == "redis://127.0.0.1:6379/0"
    assert "pl4nted" not in result.output
