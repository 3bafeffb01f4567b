"""Breaks as people look for them: value at stake, orders, pages, groups by cause, ageing and activity."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciliation.adapters.database.bulk_jobs import SqlBulkJobs
from reconciliation.adapters.database.registry import Registry
from reconciliation.cli import cli
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.domain.model.models import Discrepancy, DiscrepancyType, ValueAtStake, ValueBasis
from reconciliation.ports.breaks import BreakFilter
from tests.builders.ledger import T0, finding, run
from tests.integration.adapters.database.books import Book, opened

Command = Callable[..., Result]
NOW = (datetime.now(UTC) - T0).total_seconds()
COST, CASH = DiscrepancyType.COST_MISMATCH, DiscrepancyType.CASH_MISMATCH
SPLIT = [f"S{number}" for number in range(3)]

both_databases = pytest.mark.parametrize("book", ["sqlite_url", "postgres_url"], indirect=True)


def worth(found: Discrepancy, amount: str, currency: str | None = "USD") -> Discrepancy:
    value = ValueAtStake(amount=Decimal(amount), currency=currency, basis=ValueBasis.MARKET_VALUE)
    return replace(found, value=value)


def split(account_id: str) -> list[Discrepancy]:
    """The two findings of a split that one side has booked."""
    return [
        worth(finding("NVDA", "10", "100", account_id=account_id), "10800.50"),
        worth(finding("NVDA", "1200", "120", kind=COST, account_id=account_id), "108000"),
    ]


@pytest.fixture
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    with opened(request.getfixturevalue(getattr(request, "param", "sqlite_url")), BreakPolicy(confirmations=1)) as book:
        accounts = [RegisteredAccount(account_id=name, labels=frozenset({"eu"})) for name in SPLIT]
        Registry(book.engine).add([*accounts, RegisteredAccount(account_id="X", labels=frozenset({"eu", "desk"}))])
        for number, account_id in enumerate(SPLIT):
            book.record(run(NOW - 300 + number, *split(account_id), account_id=account_id))
        odd = worth(finding("=SUM(A1)", None, "7", account_id="X", kind=DiscrepancyType.MISSING_LOCAL), "55.5", "EUR")
        cash = replace(finding(None, "1000", "1500.25", account_id="X", kind=CASH), currency="USD")
        book.record(run(NOW - 200, odd, worth(cash, "500.25"), finding("IBM", account_id="X"), account_id="X"))
        yield book


@pytest.fixture
def reconcile(book: Book, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("RECONCILIATION_DATABASE_URL", book.url)
    monkeypatch.setenv("RECONCILIATION_REDIS_URL", redis_url)
    monkeypatch.setenv("RECONCILIATION_ACTOR", "ann")

    def invoke(*words: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(words))
        assert result.exit_code == status, result.output
        return result

    return invoke


def answer(reconcile: Command, *words: str) -> Any:
    return json.loads(reconcile(*words, "--json").stdout)


@both_databases
def test_totals_are_by_currency_and_unknown_is_not_zero(reconcile: Command) -> None:
    listed = answer(reconcile, "breaks", "list")
    assert listed["value"] == {
        "count": 9,
        "value_at_stake": {"EUR": "55.5", "USD": "356901.75"},
        "unknown_value": 1,
    }
    unknown = [case for case in listed["breaks"] if case["value_at_stake"] is None]
    assert [(case["symbol"], case["value_basis"]) for case in unknown] == [("IBM", None)]
    last = reconcile("breaks", "list").stdout.splitlines()[-1]
    assert last == "9 breaks, 55.5 EUR, 356901.75 USD, 1 of unknown value"


@both_databases
@pytest.mark.parametrize(
    "sort", ["-value", "-severity,-value", "account,symbol,type", "-last_seen_at", "assignee,-type"]
)
def test_pages_of_any_order_give_every_break_once(reconcile: Command, sort: str) -> None:
    whole = [case["break_id"] for case in answer(reconcile, "breaks", "list", "--sort", sort)["breaks"]]
    assert len(set(whole)) == 9
    paged: list[str] = []
    after: list[str] = []
    while len(paged) < 9:
        page = answer(reconcile, "breaks", "list", "--sort", sort, "--limit", "2", *after)
        paged += [case["break_id"] for case in page["breaks"]]
        after = ["--after", page["next"]] if page["next"] else []
        assert page["truncated"] == bool(after)
        assert bool(after) == (len(paged) < 9)
    assert paged == whole


def test_the_worst_come_first_and_related_breaks_stand_together(reconcile: Command) -> None:
    worst = answer(reconcile, "breaks", "list", "--sort", "-severity,-value")["breaks"]
    assert [case["severity"] for case in worst] == ["critical"] * 5 + ["warning"] + ["info"] * 3
    assert worst[0]["value_at_stake"] == "10800.50"
    together = answer(reconcile, "breaks", "list", "--sort", "account,symbol")["breaks"]
    assert [(case["account_id"], case["symbol"]) for case in together[:2]] == [("S0", "NVDA")] * 2
    shown = answer(reconcile, "breaks", "show", together[0]["break_id"])
    assert [case["break_id"] for case in shown["related"]] == [together[1]["break_id"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--sort", "colour"], "'colour' cannot be sorted by"),
        (["--sort", "type,-type"], "twice"),
        (["--after", "x"], "the cursor is not one of this list"),
        (["--after", "bnVsbA"], "the cursor is not one of this list"),
        (["--min-value", "much"], "min_value: it"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(reconcile: Command, words: list[str], sentence: str) -> None:
    assert sentence in reconcile("breaks", "list", *words, status=2).stderr


@both_databases
def test_breaks_are_found_by_value_and_cause(reconcile: Command) -> None:
    def symbols(*words: str) -> list[str | None]:
        return sorted({case["symbol"] or "cash" for case in answer(reconcile, "breaks", "list", *words)["breaks"]})

    assert symbols("--min-value", "500.25") == ["NVDA", "cash"]
    assert symbols("--min-value", "55", "--value-currency", "EUR") == ["=SUM(A1)"]
    assert symbols("--cause", "split") == ["NVDA"]
    assert symbols("--cause", "none", "--label", "desk") == ["=SUM(A1)", "IBM", "cash"]


def test_csv_has_numbers_as_numbers_and_no_formula(reconcile: Command) -> None:
    result = reconcile("breaks", "list", "--csv", "--account", "X", "--sort", "symbol")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["symbol"], row["difference"], row["value_at_stake"]) for row in rows] == [
        ("", "500.25", "500.25"),
        ("'=SUM(A1)", "7", "55.5"),
        ("IBM", "10", ""),
    ]


@both_databases
def test_one_cause_over_many_accounts_is_one_group(reconcile: Command) -> None:
    (group,) = answer(reconcile, "breaks", "groups")["groups"]
    assert {name: group[name] for name in ("symbol", "cause", "ratio", "accounts", "severity", "count")} == {
        "symbol": "NVDA",
        "cause": "split",
        "ratio": "10:1",
        "accounts": 3,
        "severity": "critical",
        "count": 6,
    }
    assert group["value_at_stake"] == {"USD": "356401.50"}
    members = answer(reconcile, "breaks", "list", "--filter", group["filter"])
    assert members["total"] == 6
    assert "NVDA" in reconcile("breaks", "groups").stdout


@both_databases
def test_ageing_counts_by_what_is_asked_with_totals(reconcile: Command) -> None:
    lines = answer(reconcile, "report", "ageing", "--by", "label,severity")
    counted = {(line["label"], line["severity"]): line["total"] for line in lines["ageing"]}
    assert counted == {
        ("desk", "critical"): 2,
        ("desk", "warning"): 1,
        ("eu", "critical"): 5,
        ("eu", "info"): 3,
        ("eu", "warning"): 1,
    }
    assert lines["total"]["count"] == 9
    assert answer(reconcile, "report", "ageing", "--by", "connection", "--account", "none")["ageing"] == []
    text = reconcile("report", "ageing", "--by", "cause").stdout
    assert text.endswith("9 breaks, 55.5 EUR, 356901.75 USD, 1 of unknown value: not resolved\n")
    assert "cannot be counted by 'colour'" in reconcile("report", "ageing", "--by", "colour", status=2).stderr


@both_databases
def test_who_worked_what_since_when(reconcile: Command) -> None:
    first, second, *_ = answer(reconcile, "breaks", "list")["breaks"]
    reconcile("breaks", "ack", first["break_id"])
    reconcile("breaks", "note", first["break_id"], "--note", "asked", "--by", "bob")
    reconcile("breaks", "ack", second["break_id"], "--by", "bob")
    entries = answer(reconcile, "report", "activity", "--since", "1h")["activity"]
    assert [(entry["person"], entry["kind"], entry["note"]) for entry in entries] == [
        ("bob", "acknowledged", None),
        ("bob", "noted", "asked"),
        ("ann", "acknowledged", None),
    ]
    assert answer(reconcile, "report", "activity", "--by", "person")["activity"] == [
        {"person": "bob", "actions": 2},
        {"person": "ann", "actions": 1},
    ]
    assert answer(reconcile, "report", "activity", "--person", "eve")["activity"] == []
    assert answer(reconcile, "report", "activity", "--until", "1h")["activity"] == []


@both_databases
def test_a_group_is_worked_as_one_and_each_break_has_a_result(
    reconcile: Command, book: Book, redis_client: Any
) -> None:
    (group,) = answer(reconcile, "breaks", "groups")["groups"]
    preview = answer(reconcile, "breaks", "ack", "--filter", group["filter"], "--dry-run")
    assert (preview["count"], len(preview["breaks"])) == (6, 6)
    assert answer(reconcile, "report", "activity")["activity"] == []
    done = answer(reconcile, "breaks", "ack", "--filter", group["filter"], "--note", "split")
    assert done["counts"] == {"done": 6, "refused": 0, "changed": 0}
    listed = answer(reconcile, "breaks", "list", "--filter", group["filter"])["breaks"]
    assert {(case["state"], case["assignee"], case["note"]) for case in listed} == {("acknowledged", "ann", "split")}
    published = [fields["kind"] for _, fields in redis_client.xrange("reconciliation:events")]
    assert published.count("acknowledged") == 6
    assert answer(reconcile, "breaks", "resume", done["job_id"][:8])["counts"] == done["counts"]
    assert book.rows("SELECT count(*) FROM break_events WHERE kind = 'acknowledged'") == [(6,)]
    assert book.rows("SELECT actor, note, selection FROM bulk_jobs") == [("ann", "split", group["filter"])]


@both_databases
def test_a_job_that_was_interrupted_goes_on_and_leaves_alone_what_changed(reconcile: Command, book: Book) -> None:
    jobs = SqlBulkJobs(book.engine)
    action = BreakAction(kind=BreakEventKind.RESOLVED, actor="ann", at=datetime.now(UTC), note="booked")
    job_id = jobs.create(action, "symbol=NVDA", BreakFilter(symbols=("NVDA",)))
    assert jobs.work(job_id, limit=2) == ["S0"]  # then the process died
    changed, closed = jobs.get(str(job_id)).items[2:4]
    reconcile("breaks", "note", str(changed.break_id), "--note", "wait", "--by", "bob")
    result = reconcile("breaks", "resume", str(job_id), "--json", status=1)
    assert json.loads(result.stdout)["counts"] == {"done": 5, "refused": 0, "changed": 1}
    assert jobs.get(str(job_id)).finished_at is not None
    assert "was changed since it was selected" in reconcile("breaks", "resume", str(job_id), status=1).stdout
    refused = reconcile("breaks", "ack", str(closed.break_id), str(changed.break_id), "--json", status=1)
    assert json.loads(refused.stdout)["counts"] == {"done": 1, "refused": 1, "changed": 0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name breaks by their ids, or give --filter"),
        (["51a0", "--filter", "symbol=X"], "and not both"),
        (["--filter", "symbol=NONE"], "no break matches the filter: nothing was changed"),
        (["--filter", "colour=red"], "'colour' is not a field"),
        (["ffffffff", "fffffffe"], "there is no break 'ffffffff'"),
    ],
)
def test_a_selection_that_cannot_be_is_a_sentence(reconcile: Command, words: list[str], sentence: str) -> None:
    assert sentence in reconcile("breaks", "ack", *words, status=2).stderr
