from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Amounts, is_published
from reconciliation.domain.breaks.fill_evidence import NO_EVIDENCE
from reconciliation.domain.breaks.policy import BreakPolicy, SeverityRule
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import AssetType, DiscrepancySeverity, DiscrepancyType, Measure, NotCompared
from reconciliation.errors import InvalidInputError
from tests.builders.ledger import Life, after, failed_run, fills, finding, kinds, run

CASH = DiscrepancyType.CASH_MISMATCH
MISSING_BROKER, MISSING_LOCAL = DiscrepancyType.MISSING_BROKER, DiscrepancyType.MISSING_LOCAL


def do(life: Life, kind: BreakEventKind, seconds: float, **values: object) -> None:
    case, change = act(life.only, BreakAction(kind=kind, actor="ann", at=after(seconds), **values))
    life.cases[case.key] = case
    life.history[case.key].append(change)


def opened(*found: object, policy: BreakPolicy | None = None) -> Life:
    life = Life(policy)
    life.run(run(0, *(found or (finding(),))))
    life.run(run(5, *(found or (finding(),))))
    return life


def test_a_hundred_sightings_open_a_break_once() -> None:
    life = Life()
    for second in range(0, 500, 5):
        life.run(run(second, finding()))
    assert life.kinds() == ["suspected", "opened"]
    assert life.only.seen.count == 100


def test_a_break_that_ends_is_resolved_and_one_that_returns_is_reopened_with_the_same_id() -> None:
    life = opened()
    first = life.only
    life.run(run(10))
    life.run(run(15))
    life.run(run(20, finding()))
    life.run(run(25, finding()))
    assert life.kinds() == ["suspected", "opened", "resolved", "suspected", "reopened"]
    assert (life.only.break_id, life.only.open_count) == (first.break_id, 2)
    assert life.only.first_seen_at == after(20)


def test_one_look_does_not_resolve_a_break() -> None:
    life = opened()
    assert life.run(run(10)).needs_confirmation
    assert life.only.state is BreakState.OPEN
    life.run(run(15, finding()))
    life.run(run(20))
    assert life.kinds() == ["suspected", "opened"]
    life.run(run(25))
    assert life.kinds() == ["suspected", "opened", "resolved"]


def test_a_fill_that_may_explain_why_a_break_is_gone_restarts_its_resolution() -> None:
    life = opened()
    life.run(run(10), **fills(10))
    life.run(run(16), **fills(16, AAPL=12))  # we booked early, and the broker follows: the sides agree for a moment
    life.run(run(22, finding()), **fills(22, AAPL=12))
    assert life.kinds() == ["suspected", "opened"]
    life.run(run(30), **fills(30, AAPL=12))
    life.run(run(36), **fills(36, AAPL=12))
    assert life.kinds() == ["suspected", "opened", "resolved"]


def test_a_busy_account_does_not_keep_a_break_that_is_gone() -> None:
    life = opened(policy=BreakPolicy(max_suspicion_seconds=60))
    for second in range(10, 80, 6):
        life.run(run(second), **fills(second, AAPL=second - 1))
    assert life.kinds() == ["suspected", "opened", "resolved"]


def test_an_old_answer_does_not_confirm_that_a_break_is_gone() -> None:
    life = opened()
    life.run(run(10))
    life.run(run(20, broker_as_of=after(9)))
    assert life.kinds() == ["suspected", "opened"]


def test_a_resolved_event_has_the_values_that_agree() -> None:
    life = opened()
    agreed = Amounts(local_value=Decimal(110), broker_value=Decimal(110))
    for second in (10, 15):
        done = life.run(run(second), values_of=lambda _key: agreed)
    ((case, change),) = done.changes
    assert (change.kind, change.amounts, case.seen.amounts) == (BreakEventKind.RESOLVED, agreed, agreed)


@pytest.mark.parametrize("confirmations", [2, 3])
def test_two_runs_on_one_read_are_one_sighting(confirmations: int) -> None:
    life = Life(BreakPolicy(confirmations=confirmations, confirmation_delay_seconds=0))
    for _ in range(5):
        life.run(run(0, finding()))
    assert (life.kinds(), life.only.seen.count) == (["suspected"], 1)
    for second in range(1, confirmations):
        assert life.kinds() == ["suspected"]
        for _ in range(3):
            life.run(run(second, finding()))
    assert life.kinds() == ["suspected", "opened"]
    for _ in range(3):
        life.run(run(10))
    assert life.kinds() == ["suspected", "opened"]


def test_a_suspicion_that_goes_is_cleared_and_was_never_open() -> None:
    life = Life()
    life.run(run(0, finding()))
    life.run(run(5))
    assert life.kinds() == ["suspected", "cleared"]
    assert (life.only.state, life.only.open_count) == (BreakState.RESOLVED, 0)


def test_two_sightings_closer_than_a_fill_is_in_flight_do_not_confirm() -> None:
    life = Life()
    life.run(run(0, finding()))
    assert life.run(run(4.9, finding())).needs_confirmation
    assert life.kinds() == ["suspected"]


def test_old_data_read_again_do_not_confirm_until_the_longest_suspicion_ends() -> None:
    life = Life()
    for second in (0, 10, 599):
        life.run(run(second, finding(), broker_as_of=after(-60)))
    assert life.kinds() == ["suspected"]
    life.run(run(600, finding(), broker_as_of=after(-60)))
    assert life.kinds() == ["suspected", "opened"]


def test_a_fill_between_two_sightings_restarts_the_count() -> None:
    life = Life()
    life.run(run(0, finding()), **fills(0))
    life.run(run(6, finding()), **fills(6, AAPL=6.1))
    life.run(run(9, finding()), **fills(9, AAPL=6.1))
    assert life.kinds() == ["suspected"]
    life.run(run(14, finding()), **fills(14, AAPL=6.1))
    assert life.kinds() == ["suspected", "opened"]


def test_a_fill_restarts_only_the_count_of_its_own_symbol() -> None:
    life, found = Life(), [finding("AAPL"), finding("IBM"), finding(None, kind=CASH)]
    life.run(run(0, *found), **fills(0))
    life.run(run(6, *found), **fills(6, IBM=3))
    opened = {key.symbol for key, case in life.cases.items() if case.state is BreakState.OPEN}
    assert opened == {"AAPL"}
    life.run(run(12, *found), **fills(12, IBM=3))
    assert {case.state for case in life.cases.values()} == {BreakState.OPEN}


@pytest.mark.parametrize(
    "facts", [fills(6, since=0.1), fills(6, XYZ=3), {"fills_before": NO_EVIDENCE, "fills_after": NO_EVIDENCE}]
)
def test_a_fill_that_may_be_of_this_holding_restarts_the_count(facts: dict[str, Any]) -> None:
    life = Life()
    life.run(run(0, finding()), **fills(0))
    life.run(run(6, finding()), **facts)
    assert life.kinds() == ["suspected"]
    assert life.only.seen.count == 1


def test_the_second_name_of_a_holding_is_no_other_holding() -> None:
    found = [
        replace(finding("OURS", broker=None, kind=MISSING_BROKER), other_symbol="THEIRS"),
        replace(finding("THEIRS", local=None, kind=MISSING_LOCAL), other_symbol="OURS"),
    ]
    life = Life()
    life.run(run(0, *found), **fills(0, held=("OURS", "THEIRS")))
    life.run(run(6, *found), **fills(6, held=("OURS", "THEIRS"), THEIRS=3))
    assert life.kinds() == ["suspected", "suspected"]


def test_a_break_is_not_resolved_by_another_holding_of_the_same_quantity() -> None:
    life, tesla = Life(), finding("TSLA", None, "100", kind=MISSING_LOCAL)
    life.run(run(0, tesla))
    life.run(run(6, tesla))
    life.run(
        run(
            12,
            replace(tesla, other_symbol="AAPL"),
            replace(finding("AAPL", "100", None, kind=MISSING_BROKER), other_symbol="TSLA"),
        )
    )
    assert "resolved" not in life.kinds()


def test_a_confirmation_run_is_requested_unless_the_run_after_a_fill_serves_as_one() -> None:
    life = Life()
    assert life.run(run(0, finding()), **fills(0, AAPL=-1)).needs_confirmation  # in flight, but no run need come soon
    assert not life.run(run(6, finding()), **fills(6, AAPL=3)).needs_confirmation  # the run after that fill comes
    after_fill = run(8, finding(), context={"trigger": "post_fill"})
    assert life.run(after_fill, **fills(8, AAPL=7)).needs_confirmation  # that run itself has none to follow it
    during = run(20, finding(), context={"trigger": "post_fill"})
    assert not life.run(during, **fills(20, AAPL=20.1)).needs_confirmation  # but here a fill came during its reads
    assert life.run(run(26, finding(), finding("IBM")), **fills(26, AAPL=25)).needs_confirmation  # for IBM


def test_unknown_fills_lead_to_a_confirmation_run_but_not_without_end() -> None:
    life = Life()
    asked = [life.run(run(second, finding()), **fills(second, since=second)).needs_confirmation for second in range(5)]
    assert asked == [True, True, True, False, False]


def test_confirmation_runs_that_see_new_suspicions_each_time_come_to_an_end() -> None:
    asked = []
    for number, symbol in enumerate(("AAPL", "IBM", "SPY", "MSFT")):
        seen = run(6 * number, finding(symbol), context={"trigger": "confirmation", "in_a_row": number})
        asked.append(Life().run(seen if number else run(0, finding(symbol))).needs_confirmation)
    assert asked == [True, True, True, False]


def test_confirmation_runs_are_requested_and_bounded() -> None:
    life = Life()
    asked = [life.run(run(second / 10, finding())).needs_confirmation for second in range(5)]
    assert asked == [True, True, True, False, False]


def test_one_sighting_opens_at_once_where_so_configured() -> None:
    life = Life(BreakPolicy(confirmations=1))
    assert not life.run(run(0, finding())).needs_confirmation
    assert life.kinds() == ["opened"]
    life.run(run(1))
    life.run(run(2, finding()))
    assert life.kinds() == ["opened", "resolved", "reopened"]


def test_an_incomplete_run_changes_nothing_whatever_it_partly_read() -> None:
    life = opened()
    before = life.only
    for second, found in ((10, []), (11, [finding("MSFT")]), (12, [finding(broker="999")])):
        done = life.run(failed_run(second, *found))
        assert (done.breaks, done.changes) == ((), ())
    assert life.only == before


def test_both_books_moving_together_is_no_change_and_a_moved_difference_is() -> None:
    life = opened()
    life.run(run(10, finding(local="200", broker="210")))
    assert life.kinds() == ["suspected", "opened"]
    life.run(run(15, finding(local="200", broker="211")))
    life.run(run(20, finding(local="200", broker="211")))
    assert life.kinds() == ["suspected", "opened", "changed"]
    assert life.only.published.difference == Decimal(11)


def test_a_slow_drift_of_money_is_measured_from_the_published_amount() -> None:
    cash = [finding(None, "1000", str(1100 + step), kind=CASH) for step in range(0, 24, 4)]
    life = Life(BreakPolicy(confirmations=1))
    for second, found in enumerate(cash):
        life.run(run(second, found))
    assert life.kinds() == ["opened", "changed"]
    assert life.only.published.difference == Decimal(112)


def test_a_snooze_is_quiet_until_its_end_and_then_open_again() -> None:
    life = opened()
    do(life, BreakEventKind.SNOOZED, 6, until=after(60))
    life.run(run(59, finding()))
    assert life.only.state is BreakState.SNOOZED
    life.run(run(60, finding()))
    assert (life.only.state, life.only.until) == (BreakState.OPEN, None)
    assert life.kinds()[-1] == "lapsed"


def test_an_acceptance_lapses_when_the_amount_leaves_its_limit_and_not_before() -> None:
    life = opened()
    do(life, BreakEventKind.ACCEPTED, 6, note="spin-off shares, known", change_limit=Decimal(5))
    life.run(run(10, finding(broker="115")))
    assert life.only.state is BreakState.ACCEPTED
    life.run(run(15, finding(broker="116")))
    assert life.kinds()[-1] == "lapsed"


@pytest.mark.parametrize("kind", [BreakEventKind.ACKNOWLEDGED, BreakEventKind.SNOOZED, BreakEventKind.ACCEPTED])
def test_a_break_that_is_gone_is_resolved_regardless_of_its_state(kind: BreakEventKind) -> None:
    life = opened()
    do(life, kind, 6, note="n", until=after(60))
    life.run(run(10))
    life.run(run(15))
    assert (life.only.state, life.only.until) == (BreakState.RESOLVED, None)


def test_a_break_closed_by_hand_that_is_still_there_comes_back() -> None:
    life = opened()
    do(life, BreakEventKind.RESOLVED, 6)
    life.run(run(10, finding()))
    life.run(run(15, finding()))
    assert life.kinds()[-3:] == ["resolved", "suspected", "reopened"]
    assert life.only.first_seen_at == after(0)


def test_a_break_closed_by_hand_that_was_gone_in_between_begins_again() -> None:
    life = opened()
    do(life, BreakEventKind.RESOLVED, 6)
    life.run(run(10))
    for second in (20, 25):
        life.run(run(second, finding()))
    assert life.only.first_seen_at == after(20)


def test_a_colleague_from_whom_a_break_was_taken_stays_in_its_history() -> None:
    life = opened()
    do(life, BreakEventKind.ASSIGNED, 6, assignee="bob")
    do(life, BreakEventKind.ACKNOWLEDGED, 7)
    assert [(change.assignee, change.previous_assignee) for change in life.history[life.only.key][2:]] == [
        ("bob", None),
        ("ann", "bob"),
    ]


def test_severity_is_raised_by_value_and_by_age_and_published() -> None:
    rules = (
        SeverityRule(severity=DiscrepancySeverity.WARNING, min_age_seconds=3600),
        SeverityRule(severity=DiscrepancySeverity.CRITICAL, type=CASH, min_difference=Decimal(500)),
    )
    cost = finding(kind=DiscrepancyType.COST_MISMATCH)
    life = opened(cost, finding(None, "0", "500", kind=CASH), policy=BreakPolicy(severity_rules=rules))
    severities = {case.key.type: case.severity.value for case in life.cases.values()}
    assert severities == {DiscrepancyType.COST_MISMATCH: "info", CASH: "critical"}
    done = life.run(run(3600, cost, finding(None, "0", "500", kind=CASH)))
    assert kinds(done.changes) == ["escalated"]
    assert life.run(run(3700, cost, finding(None, "0", "500", kind=CASH))).changes == ()


def test_a_flood_opens_nothing_and_resolves_nothing_by_accident() -> None:
    life = opened(finding("OLD"), policy=BreakPolicy(flood_cap=3))
    flood = [finding(f"S{number}") for number in range(4)]
    first, second = life.run(run(10, *flood)), life.run(run(15, *flood))
    assert kinds(first.changes) == ["suspected"] * 4
    assert (second.flood_size, second.changes) == (4, ())
    states = {case.key.symbol: case.state for case in life.cases.values()}
    assert states["OLD"] is BreakState.OPEN
    assert states["S0"] is BreakState.SUSPECTED


def test_what_is_left_after_a_flood_is_published_once() -> None:
    life = opened(finding("OLD"), policy=BreakPolicy(flood_cap=3))
    flood = [finding(f"S{number}") for number in range(4)]
    for second in (10, 15, 20):
        life.run(run(second, *flood, finding("OLD")))
    done = life.run(run(25, finding("S0"), finding("OLD")))
    assert sorted(kinds(done.changes)) == ["cleared", "cleared", "cleared", "opened"]
    assert done.flood_size == 0


def test_a_flood_does_not_mute_what_was_published_before_it() -> None:
    life = opened(finding("OLD"), finding("GONE"), policy=BreakPolicy(flood_cap=3))
    flood = [finding(f"S{number}") for number in range(4)]
    for second in (10, 15):
        done = life.run(run(second, *flood, finding("OLD"), finding("GONE")))
    assert done.flood_size == 4
    done = life.run(run(20, *flood, finding("OLD", broker="150")))
    assert kinds(done.changes) == ["changed"]
    done = life.run(run(25, *flood, finding("OLD", broker="150")))
    assert sorted(kinds(done.changes)) == ["filed"] * 4 + ["resolved"]


def test_the_breaks_of_a_lasting_flood_become_cases_without_an_event_each() -> None:
    life = opened(finding("OLD"), policy=BreakPolicy(flood_cap=3))
    flood = [finding(f"S{number}") for number in range(4)]
    seen = [life.run(run(second, *flood)) for second in (10, 15, 20, 25, 30)]
    assert [done.filed for done in seen] == [0, 0, 0, 4, 0]
    assert seen[-1].flood_size == 4
    filed = [case for case in life.cases.values() if case.key.symbol != "OLD"]
    assert {(case.state, case.is_announced) for case in filed} == {(BreakState.OPEN, False)}
    left = life.run(run(35, finding("S0")))  # few are left: now each is published by itself
    assert [(case.key.symbol, change.kind.value, is_published(case, change)) for case, change in left.changes] == [
        ("S0", "opened", True)
    ]
    assert (left.changes[0][0].open_count, left.changes[0][0].opened_at) == (1, after(25))
    over = life.run(run(40, finding("S0")))
    assert kinds(over.changes) == ["resolved"] * 3
    assert not any(is_published(case, change) for case, change in over.changes)


def test_a_filed_case_that_a_person_works_is_published_from_then_on() -> None:
    life = Life(BreakPolicy(flood_cap=3, flood_runs_before_cases=1))
    flood = [finding(f"S{number}") for number in range(4)]
    for second in (0, 5):
        life.run(run(second, *flood))
    case = next(iter(life.cases.values()))
    case, change = act(case, BreakAction(kind=BreakEventKind.ACKNOWLEDGED, actor="ann", at=after(6)))
    assert is_published(case, change)
    life.cases[case.key] = case
    for second in (10, 15):
        done = life.run(run(second, *flood[1:]))
    assert [is_published(case, change) for case, change in done.changes] == [True]


def test_a_rule_or_action_that_cannot_work_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="flood_cap"):
        BreakPolicy(flood_cap=0)
    with pytest.raises(InvalidInputError, match="min_difference"):
        SeverityRule(severity=DiscrepancySeverity.CRITICAL)
    for kind, values, words in (
        (BreakEventKind.SNOOZED, {}, "time at which it ends"),
        (BreakEventKind.SNOOZED, {"until": after(-1)}, "passed already"),
        (BreakEventKind.ACCEPTED, {}, "note"),
        (BreakEventKind.ASSIGNED, {}, "name of a person"),
        (BreakEventKind.OPENED, {}, "of a run"),
        (BreakEventKind.RESOLVED, {"actor": " "}, "needs a name"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            BreakAction(**{"kind": kind, "actor": "ann", "at": after(0), **values})


def skipped(measure: Measure, **subject: Any) -> NotCompared:
    return NotCompared(measure=measure, **subject)


AAPL = {"symbol": "AAPL", "asset_type": AssetType.STOCK}
OTHERS = (
    skipped(Measure.COST, symbol="MSFT", asset_type=AssetType.STOCK),
    skipped(Measure.COST, symbol="AAPL", asset_type=AssetType.OPTION),
    skipped(Measure.CASH, currency="EUR"),
)


@pytest.mark.parametrize(
    ("found", "not_compared"),
    [
        (finding(None, kind=CASH), (skipped(Measure.CASH), skipped(Measure.EQUITY))),
        (finding(None, kind=CASH), (skipped(Measure.CASH, reason="USD against EUR"),)),
        (finding(None, kind=DiscrepancyType.EQUITY_MISMATCH), (skipped(Measure.EQUITY),)),
        (finding(kind=DiscrepancyType.COST_MISMATCH), (skipped(Measure.COST, **AAPL),)),
    ],
)
def test_what_was_not_compared_is_not_resolved(found: object, not_compared: tuple[NotCompared, ...]) -> None:
    life = opened(found)
    life.run(run(10, not_compared=not_compared))
    assert life.kinds() == ["suspected", "opened"]
    for second in (15, 20):
        life.run(run(second, not_compared=OTHERS))
    assert life.kinds() == ["suspected", "opened", "resolved"]


def test_what_was_not_compared_is_said_in_the_same_words_as_ever() -> None:
    items = (
        skipped(Measure.CASH),
        skipped(Measure.CASH, currency="EUR"),
        skipped(Measure.COST, **AAPL),
        skipped(Measure.EQUITY, reason="USD against EUR"),
    )
    assert [str(item) for item in items] == ["cash", "cash EUR", "cost AAPL", "equity: USD against EUR"]


@pytest.mark.parametrize("name", ["note", "actor", "assignee"])
@pytest.mark.parametrize("text", ["x" * 2_001, "a\x00b", "a\ud800"])
def test_an_action_with_a_text_that_no_database_or_log_takes_is_refused(name, text):
    with pytest.raises(InvalidInputError):
        BreakAction(**{"kind": BreakEventKind.NOTED, "actor": "ann", "at": after(0), "note": "why", name: text})


def test_a_note_may_have_lines():
    note = "first\nsecond: 注"
    assert BreakAction(kind=BreakEventKind.NOTED, actor="ann", at=after(0), note=note).note == note
