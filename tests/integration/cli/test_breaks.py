"""`reconcile breaks`, `runs` and `report` on a database with breaks in it."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.cli import cli
from reconciliation.domain.model.models import DiscrepancyType
from tests.builders.ledger import T0, failed_run, finding, run
from tests.integration.adapters.database.books import Book, opened

Command = Callable[..., Result]
NOW = (datetime.now(UTC) - T0).total_seconds()


both_databases = pytest.mark.parametrize("book", ["sqlite_url", "postgres_url"], indirect=True)


@pytest.fixture
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    with opened(request.getfixturevalue(getattr(request, "param", "sqlite_url"))) as book:
        for seconds in (NOW - 100, NOW - 90):
            cash = finding(None, "1000", "1500.25", kind=DiscrepancyType.CASH_MISMATCH)
            book.record(run(seconds, finding(), finding("BTC/USD", "-0.1", "0.1"), cash))
        book.record(failed_run(NOW - 80, account_id="B"))
        yield book


@pytest.fixture
def reconcile(book: Book, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", book.url)
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", redis_url)
    monkeypatch.delenv("RECONCILIATION_ACTOR", raising=False)
    return lambda *words: CliRunner().invoke(cli, list(words))


def listed(reconcile: Command, *words: str) -> list[dict[str, Any]]:
    result = reconcile("breaks", "list", "--json", *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["breaks"]


def break_id(reconcile: Command, symbol: str = "AAPL") -> str:
    (case,) = listed(reconcile, "--symbol", symbol)
    return case["break_id"]


@both_databases
def test_breaks_are_listed_with_filters(reconcile: Command) -> None:
    assert [case["symbol"] for case in listed(reconcile)].count(None) == 1
    assert len(listed(reconcile, "--account", "A", "--severity", "critical")) == 2
    assert len(listed(reconcile, "--type", "cash_mismatch")) == 1
    assert listed(reconcile, "--state", "suspected") == listed(reconcile, "--older-than", "1h") == []
    assert len(listed(reconcile, "--limit", "2")) == 2
    (flipped,) = listed(reconcile, "--symbol", "BTC/USD")
    assert (flipped["difference"], flipped["hints"][0]["kind"]) == ("0.2", "sign_flipped")
    table = reconcile("breaks", "list").stdout.splitlines()
    assert table[0].split()[:3] == ["break", "account", "symbol"]
    assert len(table) == 5
    assert table[-1] == "3 breaks, 3 of unknown value"


@both_databases
def test_a_break_is_shown_with_its_history_by_the_beginning_of_its_id(reconcile: Command) -> None:
    full = break_id(reconcile)
    shown = json.loads(reconcile("breaks", "show", full[:8], "--json").stdout)
    assert shown["break"]["break_id"] == full
    assert [entry["kind"] for entry in shown["history"]] == ["suspected", "opened"]
    assert len(shown["sightings"]) == 2
    text = reconcile("breaks", "show", full).stdout
    assert "quantity_mismatch" in text
    assert "opened" in text


@pytest.mark.parametrize(
    ("words", "kind", "expected"),
    [
        (["ack", "{}", "--by", "ann"], "acknowledged", ("acknowledged", "assignee", "ann")),
        (["assign", "{}", "bob", "--by", "ann"], "assigned", ("open", "assignee", "bob")),
        (["snooze", "{}", "--until", "8h", "--by", "ann"], "snoozed", ("snoozed", "note", None)),
        (["accept", "{}", "--limit", "5", "--note", "known", "--by", "ann"], "accepted", ("accepted", "note", "known")),
        (["resolve", "{}", "--note", "booked", "--by", "ann"], "resolved", ("resolved", "note", "booked")),
        (["note", "{}", "--note", "asked the broker", "--by", "ann"], "noted", ("open", "note", "asked the broker")),
    ],
)
def test_what_a_person_does_is_recorded_with_the_name_and_published(
    reconcile: Command, redis_client: Any, words: list[str], kind: str, expected: tuple[str, str, str | None]
) -> None:
    case_id = break_id(reconcile)
    result = reconcile("breaks", *[word.format(case_id) for word in words], "--json")
    assert result.exit_code == 0, result.output
    changed = json.loads(result.stdout)
    state, field, value = expected
    assert (changed["state"], changed[field]) == (state, value)
    last = json.loads(reconcile("breaks", "show", case_id, "--json").stdout)["history"][-1]
    assert (last["kind"], last["actor"]) == (kind, "ann")
    told = [json.loads(fields["payload"]) for _, fields in redis_client.xrange("reconciliation:events")]
    assert [(event["kind"], event["actor"]) for event in told if event["actor"]] == (
        [] if kind == "noted" else [(kind, "ann")]
    )


def test_the_name_comes_from_the_environment_and_without_one_nothing_is_done(
    reconcile: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = break_id(reconcile)
    refused = reconcile("breaks", "ack", case_id)
    assert refused.exit_code == 2
    assert "needs a name: give --by, or set RECONCILIATION_ACTOR" in refused.stderr
    monkeypatch.setenv("RECONCILIATION_ACTOR", "eve")
    assert reconcile("breaks", "ack", case_id).stdout == "acknowledged: A AAPL quantity_mismatch, now acknowledged\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["breaks", "show", "ffffffff"], "there is no break 'ffffffff'"),
        (["breaks", "show", "xyz!"], "is not the id of a break"),
        (["breaks", "snooze", "{}", "--until", "soon", "--by", "a"], "'soon' is not a length of time"),
        (["breaks", "snooze", "{}", "--until", "2020-01-01", "--by", "a"], "has passed already"),
        (["breaks", "accept", "{}", "--by", "a"], "needs a note"),
        (["breaks", "accept", "{}", "--by", "a", "--note", "n", "--limit", "x"], "is not a number"),
        (["runs", "show", "ffffffff"], "there is no run"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_status_2(reconcile: Command, words: list[str], sentence: str) -> None:
    result = reconcile(*[word.format(break_id(reconcile)) for word in words])
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_break_in_the_wrong_state_is_refused_with_what_is_possible(reconcile: Command) -> None:
    case_id = break_id(reconcile)
    reconcile("breaks", "resolve", case_id, "--by", "ann")
    result = reconcile("breaks", "ack", case_id, "--by", "ann")
    assert result.exit_code == 2
    assert "is resolved: it cannot become 'acknowledged'; possible now:" in result.stderr


@both_databases
def test_runs_are_listed_and_shown_incomplete_ones_too(reconcile: Command) -> None:
    runs = json.loads(reconcile("runs", "list", "--json").stdout)["runs"]
    assert [run["outcome"] for run in runs] == ["incomplete", "discrepancies", "discrepancies"]
    assert json.loads(reconcile("runs", "list", "--json", "--outcome", "incomplete").stdout)["runs"] == runs[:1]
    assert json.loads(reconcile("runs", "list", "--json", "--account", "A", "--since", "1m").stdout)["runs"] == []
    shown = json.loads(reconcile("runs", "show", runs[1]["run_id"], "--json").stdout)
    assert shown["run"]["discrepancy_count"] == len(shown["findings"]) == 3
    assert shown["findings"][0]["local_value"] == "100"
    assert "no answer" in reconcile("runs", "show", runs[0]["run_id"]).stdout
    assert "incomplete" in reconcile("runs", "list").stdout


@both_databases
def test_ageing_counts_by_account_type_severity_and_age(reconcile: Command, book: Book) -> None:
    for number, age in enumerate((1.9, 2.1, 7.9, 8.1, 30.9, 31.1)):
        seconds = NOW - timedelta(days=age).total_seconds()
        for later in (0, 10):
            book.record(run(seconds + later, finding(account_id=f"C{number}"), account_id=f"C{number}"))
    lines = json.loads(reconcile("report", "ageing", "--json").stdout)["ageing"]
    ages = {line["account_id"]: list(line["buckets"].values()) for line in lines if line["account_id"] != "A"}
    assert ages == {
        "C0": [1, 0, 0, 0],
        "C1": [0, 1, 0, 0],
        "C2": [0, 1, 0, 0],
        "C3": [0, 0, 1, 0],
        "C4": [0, 0, 1, 0],
        "C5": [0, 0, 0, 1],
    }
    assert [(line["type"], line["total"]) for line in lines if line["account_id"] == "A"] == [
        ("cash_mismatch", 1),
        ("quantity_mismatch", 2),
    ]
    assert reconcile("report", "ageing").stdout.endswith("9 breaks, 9 of unknown value: not resolved\n")


@pytest.mark.parametrize("book", ["postgres_url"], indirect=True)
def test_a_committed_action_succeeds_although_its_event_cannot_be_published_yet(reconcile: Command, book: Book) -> None:
    case_id = break_id(reconcile)
    with write_transaction(book.engine) as db:  # the outbox accepts events, and none can be taken out
        db.execute(
            text(
                "CREATE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'out of time' USING ERRCODE = '57014'; END $$"
            )
        )
        db.execute(text("CREATE TRIGGER keep BEFORE DELETE ON outbox EXECUTE FUNCTION keep_events()"))
    result = reconcile("breaks", "ack", case_id, "--by", "ann")
    assert result.exit_code == 0, result.output
    assert result.stdout == "acknowledged: A AAPL quantity_mismatch, now acknowledged\n"
    assert "acknowledged" in book.events()


@both_databases
def test_a_list_that_is_cut_says_so_and_all_can_be_had(reconcile: Command) -> None:
    cut = reconcile("breaks", "list", "--json", "--limit", "2")
    payload = json.loads(cut.stdout)
    assert (len(payload["breaks"]), payload["total"], payload["truncated"]) == (2, 3, True)
    assert cut.stderr == "Only 2 of 3 breaks are shown: use a filter, or --limit all.\n"
    for limit in ("0", "all", "3"):
        whole = reconcile("breaks", "list", "--json", "--limit", limit)
        assert (len(json.loads(whole.stdout)["breaks"]), json.loads(whole.stdout)["truncated"]) == (3, False)
        assert whole.stderr == ""
    runs = reconcile("runs", "list", "--json", "--limit", "1")
    assert (len(json.loads(runs.stdout)["runs"]), json.loads(runs.stdout)["truncated"]) == (1, True)
    assert "Only 1 runs are shown" in runs.stderr


@both_databases
def test_one_text_filters_as_the_options_do(reconcile: Command) -> None:
    reconcile("accounts", "add", "A", "--label", "desk 1")
    text = "state=open,acknowledged severity=critical account=A label='desk 1' connection=default symbol_part=usd"
    assert [case["symbol"] for case in listed(reconcile, "--filter", text)] == ["BTC/USD"]
    assert listed(reconcile, "--label", "desk 2") == listed(reconcile, "--connection", "other") == []
    assert len(listed(reconcile, "--unassigned", "--since", "1h", "--symbol", "AAPL", "--symbol", "BTC/USD")) == 2
    assert listed(reconcile, "--symbol-part", "%") == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--filter", "colour=red"], "'colour' is not a field of this filter; fields are: account,"),
        (["--filter", "state"], "is not FIELD=VALUE"),
        (["--filter", "state=opened"], "'opened' is not a state; it is one of: suspected, open,"),
        (["--filter", "label='x"], "cannot be read"),
        (["--since", "9999999w"], "is too long a time"),
        (["--since", "soon"], "is not a length of time"),
        (["--older-than", "1h", "--filter", "older_than=2h"], "twice"),
        (["--limit", "-1"], "is not a number of rows"),
    ],
)
def test_a_filter_that_cannot_be_read_is_a_sentence(reconcile: Command, words: list[str], sentence: str) -> None:
    result = reconcile("breaks", "list", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_the_history_says_to_whom_from_whom_until_when_and_up_to_how_much(reconcile: Command) -> None:
    known = break_id(reconcile)
    assert reconcile("breaks", "assign", known, "bob", "--by", "ann").exit_code == 0
    assert reconcile("breaks", "ack", known, "--by", "eve").exit_code == 0
    accepted = ("--note", "spin-off", "--limit", "5", "--until", "30d", "--by", "eve")
    assert reconcile("breaks", "accept", known, *accepted).exit_code == 0
    shown = " ".join(reconcile("breaks", "show", known).stdout.split())
    assert "to bob" in shown
    assert "to eve, from bob" in shown
    assert re.search(r"until \d{4}-\d{2}-\d{2} \d{2}:\d{2} UTC, up to 5", shown)
    *_, taken, term = json.loads(reconcile("breaks", "show", known, "--json").stdout)["history"]
    assert (taken["assignee"], taken["previous_assignee"], term["change_limit"]) == ("eve", "bob", "5")
