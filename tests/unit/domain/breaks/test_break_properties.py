"""Any runs and manual actions: one live break a key at most, and a history that replays to the same break."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Sightings, replay
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.states import MANUAL, BreakEventKind, BreakState
from reconciliation.errors import BreakRefusedError
from tests.builders.ledger import Life, after, failed_run, fills, finding, run

ENDS = ("opened", "reopened", "filed", "resolved")
SYMBOLS = ("AAPL", "MSFT", "IBM")

sights = st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(1, 3)), max_size=4)
runs = st.tuples(st.just("run"), sights, st.integers(0, 2))
failures = st.tuples(st.just("fail"), sights, st.just(0))
actions = st.tuples(
    st.just("act"),
    st.sampled_from(sorted(MANUAL, key=lambda kind: kind.value)),
    st.integers(0, len(SYMBOLS) - 1),
)
steps = st.lists(st.tuples(st.integers(0, 8), st.one_of(runs, runs, runs, actions, failures)), max_size=40)
policies = st.builds(BreakPolicy, confirmations=st.integers(1, 3), flood_cap=st.sampled_from([1, 2, 50]))


def _live(policy: BreakPolicy, script: list[Any]) -> Life:
    life, now = Life(policy), 0.0
    filled: dict[str, float] = {}
    for pause, (word, what, number) in script:
        now += pause + 0.001
        if word == "act":
            _do(life, what, number, now)
            continue
        found = [finding(symbol, broker=str(100 + gap)) for symbol, gap in what]
        if word == "fail":
            life.run(failed_run(now, *found))
            continue
        if number == 2:
            filled[SYMBOLS[int(now) % 3]] = now
        life.run(run(now, *found), **fills(now, held=SYMBOLS, **filled))
    return life


def _do(life: Life, kind: BreakEventKind, number: int, now: float) -> None:
    cases = sorted(life.cases.values(), key=lambda case: case.key.order)
    if number >= len(cases):
        return
    action = BreakAction(kind=kind, actor="ann", at=after(now), note="n", until=after(now + 9), assignee="bob")
    with suppress(BreakRefusedError):
        case, change = act(cases[number], action)
        life.cases[case.key] = case
        life.history[case.key].append(change)


@settings(max_examples=80, deadline=None)
@given(policies, steps)
def test_history_replays_to_the_same_break(policy: BreakPolicy, script: list[Any]) -> None:
    life = _live(policy, script)
    assert set(life.cases) == set(life.history)
    for key, case in life.cases.items():
        assert replay(key, life.history[key]) == replace(case, seen=Sightings())
        assert [change.number for change in life.history[key]] == list(range(1, case.changes + 1))


@settings(max_examples=80, deadline=None)
@given(policies, steps)
def test_a_key_has_one_break_and_opened_and_resolved_alternate(policy: BreakPolicy, script: list[Any]) -> None:
    life = _live(policy, script)
    assert len({case.break_id for case in life.cases.values()}) == len(life.cases)
    for key, history in life.history.items():
        words = [change.kind.value for change in history if change.kind.value not in ("noted", "changed", "assigned")]
        # A filed case is opened once more when it is published.
        kept = [word for at, word in enumerate(words) if not (at and words[at - 1] == "filed" and "opened" in word)]
        published = [word.replace("filed", "opened") for word in kept if word in ENDS]
        expected = ["opened" if at == 0 else "reopened" for at in range(len(published[::2]))]
        assert [word.replace("re", "") for word in published[::2]] == ["opened"] * len(expected)
        assert set(published[1::2]) <= {"resolved"}
        assert life.cases[key].open_count == len(expected)


@settings(max_examples=50, deadline=None)
@given(policies, steps)
def test_whatever_happened_enough_clean_runs_resolve_everything(policy: BreakPolicy, script: list[Any]) -> None:
    life = _live(policy, script)
    for second in (1000, 1010, 1020):
        life.run(run(second))
    assert all(case.state is BreakState.RESOLVED for case in life.cases.values())
