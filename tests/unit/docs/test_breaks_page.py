"""docs/breaks.md says what the code does."""

import json
import re

import pytest

from reconciliation.bootstrap import break_policy
from reconciliation.cli import cli
from reconciliation.domain.breaks.account_health import CONDITIONS
from reconciliation.domain.breaks.likely_causes import GUESSES
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.states import INTERNAL_EVENTS, TRANSITIONS, BreakEventKind, BreakState
from reconciliation.errors import ConfigurationError
from reconciliation.messages.break_events import event_sentence
from reconciliation.settings import Settings
from tests.builders.events import EXAMPLES
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "breaks.md").read_text(encoding="utf-8")


def test_the_examples_of_events_are_what_the_code_writes() -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert shown == list(EXAMPLES.values())


def test_the_table_of_states_is_the_one_in_the_code() -> None:
    for kind in BreakEventKind:
        cells = [TRANSITIONS[state][kind].value if kind in TRANSITIONS[state] else "no" for state in BreakState]
        assert f"| {kind.value} | {' | '.join(cells)} |" in PAGE


def test_every_kind_of_event_hint_and_setting_is_on_the_page() -> None:
    told = {kind.value for kind in BreakEventKind if kind not in INTERNAL_EVENTS}
    conditions = {word for rule in CONDITIONS.values() for word in (rule.begin, rule.end)}
    for word in told | conditions | set(GUESSES) | {"other_name", "opposite_legs"}:
        assert f"`{word}`" in PAGE
    defaults = dict(re.findall(r"\| `RECONCILIATION_(\w+)` \| `?([^|`]*?)`? \|", PAGE))
    for name, shown in defaults.items():
        value = Settings.model_fields[name.lower()].get_default(call_default_factory=True)
        unset = "never" if name == "PRUNE_AFTER_DAYS" else "none"
        assert shown == (unset if value is None else str(value).removesuffix(".0"))
    assert len(defaults) == 12


def test_every_command_on_the_page_exists() -> None:
    commands = re.findall(r"^reconcile (\w+) ?(\w*)", PAGE, re.MULTILINE)
    assert len(commands) == 14
    for group, name in commands:
        command = cli.get_command(None, group)  # type: ignore[arg-type]
        assert command is not None
        assert not hasattr(command, "commands") or name in command.commands


def test_the_settings_give_the_policy_that_the_domain_has_by_default() -> None:
    assert break_policy(Settings()) == BreakPolicy()


@pytest.mark.parametrize(
    "rule", [{}, {"severity": "grave", "min_age_seconds": 1}, {"severity": "info", "min_age": 1}, {"severity": "info"}]
)
def test_a_severity_rule_that_cannot_work_names_its_variable(rule: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="RECONCILIATION_SEVERITY_RULES"):
        break_policy(Settings(severity_rules=[rule]))


def test_an_event_is_one_line_for_a_person() -> None:
    assert [event_sentence(payload) for payload in EXAMPLES.values()] == [
        "opened: A AAPL quantity_mismatch (critical; local 100, broker -100)",
        "acknowledged by ann: A AAPL quantity_mismatch (critical; local 100, broker -100)",
        "could_not_run: A (runs 3, reason incomplete, error unavailable, side broker, message no answer)",
        "flood: A (new_breaks 5000)",
        "missed_slot: A (last_run_at 2026-01-05T14:30:00+00:00, interval_seconds 300)",
        (
            "could_not_run: connection ibkr-1 (since 2026-01-05T14:40:00+00:00, accounts 100000, some A B, "
            "reason incomplete, error unavailable, side broker, message no answer)"
        ),
    ]
