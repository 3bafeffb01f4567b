import itertools

import pytest

from reconciliation.domain.breaks.actions import BreakAction, act
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakKey, apply
from reconciliation.domain.breaks.states import MANUAL, TRANSITIONS, BreakEventKind, BreakState, next_state
from reconciliation.domain.model.models import DiscrepancyType
from reconciliation.errors import BreakRefusedError
from tests.builders.ledger import T0, after

PAIRS = list(itertools.product(BreakState, BreakEventKind))
KEY = BreakKey(account_id="A", type=DiscrepancyType.CASH_MISMATCH)


@pytest.mark.parametrize(("state", "kind"), PAIRS)
def test_every_pair_of_state_and_event_is_in_the_table_or_refused_by_a_sentence(
    state: BreakState, kind: BreakEventKind
) -> None:
    if kind in TRANSITIONS[state]:
        assert next_state(state, kind) is TRANSITIONS[state][kind]
        return
    with pytest.raises(BreakRefusedError, match=rf"{state.value}.*{kind.value}.*possible now") as refused:
        next_state(state, kind)
    assert (refused.value.state, refused.value.kind) == (state.value, kind.value)


@pytest.mark.parametrize(("state", "kind"), [pair for pair in PAIRS if pair[1] in TRANSITIONS[pair[0]]])
def test_every_entry_of_the_table_can_be_applied_to_a_break(state: BreakState, kind: BreakEventKind) -> None:
    change = BreakChange(kind=kind, at=T0, number=1)
    assert apply(Break(key=KEY, state=state, first_seen_at=T0), change).state is TRANSITIONS[state][kind]


@pytest.mark.parametrize(("state", "kind"), [pair for pair in PAIRS if pair[1] in MANUAL])
def test_a_person_is_refused_exactly_what_the_table_refuses(state: BreakState, kind: BreakEventKind) -> None:
    action = BreakAction(kind=kind, actor="ann", at=T0, note="why", until=after(60), assignee="bob")
    case = Break(key=KEY, state=state)
    if kind in TRANSITIONS[state]:
        changed, change = act(case, action)
        assert changed.state is TRANSITIONS[state][kind]
        assert (change.actor, change.note) == ("ann", "why")
    else:
        with pytest.raises(BreakRefusedError, match="possible now"):
            act(case, action)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {state for steps in TRANSITIONS.values() for state in steps.values()}
    assert reached == set(BreakState)
    assert all(set(steps.values()) - {state} for state, steps in TRANSITIONS.items())
