"""`reconcile fills`: send, consume and status, as a person or a script sees them."""

import json

import pytest
from click.testing import CliRunner

from reconciliation.cli import cli


@pytest.fixture
def reconcile(redis_url, sqlite_url, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", redis_url)
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", sqlite_url)

    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, ["fills", *arguments], input=stdin)

    return run


def status(reconcile):
    return json.loads(reconcile("status", "--json").stdout)


def test_a_fill_that_was_sent_shows_in_the_status(reconcile):
    assert status(reconcile)["windows_open"] == 0
    sent = reconcile("send", "ACC-1", "--fill-id", "F-1", "--symbol", "AAPL", "--side", "buy", "--quantity", "10")
    assert (sent.exit_code, sent.stdout) == (0, "1 recorded, 0 ignored, 0 refused\n")
    shown = status(reconcile)
    assert {name: shown[name] for name in ("windows_open", "waiting", "running", "overdue", "leases_held")} == {
        "windows_open": 1,
        "waiting": 1,
        "running": 0,
        "overdue": 0,
        "leases_held": 1,
    }
    assert (shown["fills_pending"], shown["oldest_account_id"], shown["counters"]) == (
        1,
        "ACC-1",
        {"messages": 1, "opened": 1},
    )
    assert "oldest account" in reconcile("status").stdout


def test_a_file_of_fills_is_sent_together(reconcile):
    lines = "".join(
        json.dumps({"account_id": f"ACC-{number % 2}", "fill_id": str(number)}) + "\n" for number in range(9)
    )
    sent = reconcile("send", "--file", "-", "--json", stdin=lines)
    assert json.loads(sent.stdout) == {"recorded": 9, "ignored": 0, "refused": 0}
    assert (status(reconcile)["windows_open"], status(reconcile)["fills_pending"]) == (2, 9)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"fill_id": "F"}', "line 2: account_id: is missing"),
        ("nonsense", "line 2: is not a JSON object"),
        ("[]", "line 2: is not a JSON object"),
        ('{"account_id": "A", "price": "x"}', "line 2: price: 'x' is not a number"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_its_batch_is_noted(reconcile, line, reason):
    sent = reconcile("send", "--file", "-", stdin='{"account_id": "A"}\n' + line + "\n")
    assert sent.exit_code == 2
    assert reason in sent.stderr
    assert status(reconcile)["windows_open"] == 0


def test_an_account_and_a_file_together_are_a_usage_error(reconcile):
    assert reconcile("send", "A", "--file", "-").exit_code == 2
    assert reconcile("send").exit_code == 2


def test_a_refused_fill_makes_the_exit_status_1(reconcile, redis_client):
    redis_client.hset("reconciliation:accounts", "", "{}")
    sent = reconcile("send", "stranger")
    assert (sent.exit_code, sent.stdout) == (1, "0 recorded, 0 ignored, 1 refused\n")


def test_a_stream_is_consumed_until_it_is_empty(reconcile, redis_client):
    redis_client.xadd("reconciliation:fills", {"schema": "1", "account_id": "A"})
    redis_client.xadd("reconciliation:fills", {"schema": "1"})
    done = reconcile("consume", "--until-empty")
    assert done.stdout == "1 recorded, 0 ignored, 1 refused (see reconciliation:fills:dead)\n"
    assert status(reconcile)["windows_open"] == 1


def test_redis_that_is_away_is_exit_status_4_and_a_sentence(reconcile, monkeypatch):
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", "redis://user:s3cret@127.0.0.1:1/0")
    for arguments in (["status"], ["send", "A"], ["consume", "--until-empty"]):
        failed = reconcile(*arguments)
        assert failed.exit_code == 4
        assert "Redis at redis://127.0.0.1:1/0 cannot be reached" in failed.stderr
        assert "s3cret" not in failed.output


def test_the_commands_explain_themselves(reconcile):
    for command in ("send", "consume", "status"):
        assert "Usage:" in reconcile(command, "--help").stdout
