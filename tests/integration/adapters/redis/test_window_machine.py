"""The invariants of fill windows under everything that can happen, and the proof that each rule is needed."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from reconciliation.adapters.redis import fill_window
from reconciliation.errors import CoordinationError
from tests.integration.adapters.redis.window_machine import RepeatingConnection, WindowMachine

SOURCE = Path(fill_window.__file__).with_suffix(".lua").read_text(encoding="utf-8")
MARK = re.compile(r"^.*\S.* -- rule: (?P<name>[a-z -]+)$", re.MULTILINE)

STEPS = 25

#: How a broken rule shows: a promise is not kept, or the script stumbles over a state that cannot be.
BROKEN = (AssertionError, ValueError, CoordinationError)

#: What stands in place of a rule's line where leaving it out would not be a program.
INSTEAD = {
    "trailing": "local due_at = window.first_at + times.delay_ms",
    "early": "if false then",
    "overdue": "if window then",
}
RULES = [match["name"] for match in MARK.finditer(SOURCE)]

#: Rules whose absence takes a long walk to show.
RARE = {
    "late finish",
    "trailing",
    "growing",
    "settle nothing",
    "back-off",
    "forget unwanted",
    "repeated reclaim",
}


def walk(url: str, *, examples: int, source: str | None = None, sweeps: bool = True) -> None:
    machine = type("Machine", (WindowMachine,), {"url": url, "source": source, "sweeps": sweeps})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def without(rule: str) -> str:
    return MARK.sub(lambda line: INSTEAD.get(rule, "") if line["name"] == rule else line[0], SOURCE)


def test_no_fill_is_lost_and_no_account_runs_twice_whatever_happens(redis_url):
    before = RepeatingConnection.executed_twice
    walk(redis_url, examples=100)
    assert RepeatingConnection.executed_twice > before, "lost replies were part of the walk"


@pytest.mark.slow
def test_no_fill_is_lost_and_no_account_runs_twice_in_a_long_walk(redis_url):
    walk(redis_url, examples=3_000)


@pytest.mark.parametrize(
    "rule", [pytest.param(name, marks=[pytest.mark.slow] if name in RARE else []) for name in RULES]
)
def test_the_invariants_break_without_the_rule(redis_url, rule):
    with pytest.raises(BROKEN):
        walk(redis_url, examples=8_000 if rule in RARE else 1_000, source=without(rule))


def test_the_invariants_break_without_the_sweep(redis_url):
    with pytest.raises(AssertionError, match="uncovered"):
        walk(redis_url, examples=400, sweeps=False)


def test_each_rule_is_marked_once():
    assert len(RULES) == len(set(RULES))
    assert len(RULES) >= 20
