"""`reconcile accounts`, `connections`, `schedule` and `sweep`, as an operator types them."""

import json
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from reconciliation.cli import cli


@pytest.fixture
def reconcile(redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", redis_url)
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", sqlite_url)

    def run(*words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(words))
        assert result.exit_code == status, result.output
        return result

    return run


def listed(reconcile, *words: str) -> list[dict]:
    return json.loads(reconcile("accounts", "list", "--json", *words).stdout)


def test_accounts_are_added_changed_disabled_and_removed(reconcile) -> None:
    reconcile("accounts", "add", "A", "B", "--interval-seconds", "60", "--label", "eu", "--cash-tolerance", "0.5")
    reconcile("accounts", "set", "A", "--tolerances", '[{"measure": "cost", "relative": "0.01", "symbol": "X"}]')
    reconcile("accounts", "disable", "--label", "eu")
    reconcile("accounts", "enable", "A")
    reconcile("accounts", "remove", "B")

    [account] = listed(reconcile)
    assert (account["account_id"], account["enabled"], account["interval_seconds"]) == ("A", True, 60.0)
    assert account["tolerances"] == [{"measure": "cost", "relative": "0.01", "symbol": "X"}]
    assert "0.5" in reconcile("accounts", "show", "A").stdout


def test_a_csv_file_adds_and_replaces_accounts(reconcile, tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("account_id,interval_seconds,labels,enabled\nA,60,eu desk-1,true\nB,,,no\n")
    assert "2 accounts added, 0 changed" in reconcile("accounts", "import", str(file)).stdout
    assert "0 accounts added, 0 changed, 2 unchanged" in reconcile("accounts", "import", str(file)).stdout
    assert [account["account_id"] for account in listed(reconcile, "--label", "eu", "--enabled")] == ["A"]


def test_a_bad_line_is_named_and_nothing_is_imported(reconcile, tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("account_id,interval_seconds\nA,60\nB,soon\n")
    assert "accounts.csv, line 3" in reconcile("accounts", "import", str(file), status=2).stderr
    assert listed(reconcile) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("accounts", "add", "A", "--connection", "nowhere"), "there is no connection 'nowhere'"),
        (("accounts", "add", "A", "--interval-seconds", "0.1"), "interval_seconds is 0.1"),
        (("accounts", "remove", "X"), "'X' is not registered"),
        (("connections", "add", "c", "--broker", "nobody"), "there is no broker 'nobody'"),
        (("connections", "add", "c", "--broker", "paper", "--secret", "key=PK-SECRET"), "must be a reference"),
        (("sweep", "--label", "none"), "no enabled account has the label none"),
    ],
)
def test_what_cannot_work_is_one_sentence(reconcile, words: tuple[str, ...], sentence: str) -> None:
    result = reconcile(*words, status=2)
    assert sentence in result.stderr
    assert "PK-SECRET" not in result.output


def test_connections_keep_references_and_never_secrets(reconcile) -> None:
    reconcile("connections", "add", "c", "--broker", "paper", "--secret", "key=env:PAPER_KEY", "--concurrency", "3")
    reconcile("connections", "set", "c", "--requests-per-second", "2.5", "--secret", "other=file:/run/secret")
    reconcile("accounts", "add", "A", "--connection", "c")

    [connection] = json.loads(reconcile("connections", "list", "--json").stdout)
    assert connection["secrets"] == {"key": "env:PAPER_KEY", "other": "file:/run/secret"}
    assert (connection["requests_per_second"], connection["concurrency"], connection["accounts"]) == (2.5, 3, 1)
    assert "used by 1 account:" in reconcile("connections", "remove", "c", status=2).stderr


def test_the_status_shows_what_waits(reconcile, redis_client: redis.Redis) -> None:
    reconcile("accounts", "add", "A", "B", "--label", "eu")
    assert "being filled" in reconcile("schedule", "status", status=1).stdout
    assert "2 runs requested" in reconcile("sweep", "--label", "eu", "--no-wait").stdout

    status = json.loads(reconcile("schedule", "status", "--json", status=1).stdout)
    failed = {finding["part"] for finding in status["work"] if finding["verdict"] == "failed"}
    assert failed == {"beat", "schedule", "queues"}
    assert (status["registered"], status["requested"]) == (2, 2)
    assert status["connections"][0] | {"oldest_seconds": 0} == {
        "connection": "default",
        "waiting": 2,
        "due": 2,
        "overdue": 0,
        "in_lease": 0,
        "oldest_seconds": 0,
    }
