"""The states of a break, and the one table of what may happen to it: by whom, with which effect, published or not.

Pure. A key that was never seen counts as resolved: both begin with a sighting, so that "back again" is no special case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from reconciliation.errors import BreakRefusedError


class BreakState(str, Enum):
    """Where a break stands."""

    SUSPECTED = "suspected"  # seen, not yet confirmed: nothing is published
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # a person works on it
    SNOOZED = "snoozed"  # quiet until a time, or until the amount changes
    ACCEPTED = "accepted"  # known and tolerated, with a note, until it expires or the amount changes
    RESOLVED = "resolved"


class BreakEventKind(str, Enum):
    """What may happen to a break: the words of its history and of the published events."""

    SUSPECTED = "suspected"  # a first sighting
    CLEARED = "cleared"  # a suspicion that the next complete run no longer showed
    OPENED = "opened"  # confirmed
    FILED = "filed"  # opened in a lasting flood: a case that can be worked; the event of the flood speaks of it
    REOPENED = "reopened"  # confirmed again after it was resolved
    CHANGED = "changed"  # the amount moved materially
    ESCALATED = "escalated"  # the severity was raised by value or age
    LAPSED = "lapsed"  # a snooze or an acceptance ended: by time, or because the amount moved
    RESOLVED = "resolved"  # gone in a complete run, or closed by hand
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    SNOOZED = "snoozed"
    ACCEPTED = "accepted"
    NOTED = "noted"


class Cause(Enum):
    """Who may cause an event."""

    RUN = "run"
    PERSON = "person"


class Effect(Enum):
    """What an event changes in a break beside its state."""

    MEASURE = "later changes are measured from the event's amounts"
    RATE = "the severity becomes the event's"
    BEGIN = "a new episode begins: its age counts from here"
    OPEN = "it is open from here, and counted"
    ANNOUNCE = "readers know of it: what follows is published"
    END = "the episode ends"
    ASSIGN = "it belongs to the event's assignee"
    SET_TERM = "it is quiet until the event's time, or until its amount moves by more than the event's limit"
    CLEAR_TERM = "no such term holds any more"


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """All that is to be known of a kind of event."""

    #: State before -> state after. A state that is not in it refuses the event.
    next: Mapping[BreakState, BreakState]
    effects: tuple[Effect, ...] = ()
    causes: frozenset[Cause] = frozenset({Cause.RUN})
    #: False: history only.
    is_published: bool = True


_S, _E = BreakState, BreakEventKind
#: The states of a break that was published and is not resolved.
_WORKED = (_S.OPEN, _S.ACKNOWLEDGED, _S.SNOOZED, _S.ACCEPTED)
_PERSON = frozenset({Cause.PERSON})
_JUDGE = (Effect.MEASURE, Effect.RATE)


def _to(state: BreakState, *before: BreakState) -> Mapping[BreakState, BreakState]:
    return MappingProxyType(dict.fromkeys(before, state))


def _stay(*states: BreakState) -> Mapping[BreakState, BreakState]:
    return MappingProxyType({state: state for state in states})


# From open: a filed case that is published after the flood.
_OPENING = EventRule(
    next=_to(_S.OPEN, _S.RESOLVED, _S.SUSPECTED, _S.OPEN), effects=(*_JUDGE, Effect.OPEN, Effect.ANNOUNCE)
)
_MOVING = EventRule(next=_stay(_S.OPEN, _S.ACKNOWLEDGED), effects=_JUDGE)

#: The one table of break events: a new kind is a word above, a row here, and the code that causes it.
BREAK_EVENTS: Mapping[BreakEventKind, EventRule] = MappingProxyType(
    {
        _E.SUSPECTED: EventRule(
            next=_to(_S.SUSPECTED, _S.RESOLVED), effects=(*_JUDGE, Effect.BEGIN), is_published=False
        ),
        _E.CLEARED: EventRule(
            next=_to(_S.RESOLVED, _S.SUSPECTED), effects=(Effect.END, Effect.CLEAR_TERM), is_published=False
        ),
        _E.OPENED: _OPENING,
        _E.REOPENED: _OPENING,
        _E.FILED: EventRule(next=_to(_S.OPEN, _S.SUSPECTED), effects=(*_JUDGE, Effect.OPEN), is_published=False),
        _E.CHANGED: _MOVING,
        _E.ESCALATED: _MOVING,
        _E.LAPSED: EventRule(next=_to(_S.OPEN, _S.SNOOZED, _S.ACCEPTED), effects=(*_JUDGE, Effect.CLEAR_TERM)),
        _E.RESOLVED: EventRule(
            next=_to(_S.RESOLVED, *_WORKED),
            effects=(Effect.END, Effect.CLEAR_TERM),
            causes=frozenset({Cause.RUN, Cause.PERSON}),
        ),
        _E.ACKNOWLEDGED: EventRule(
            next=_to(_S.ACKNOWLEDGED, *_WORKED),
            effects=(Effect.MEASURE, Effect.ASSIGN, Effect.CLEAR_TERM),
            causes=_PERSON,
        ),
        _E.ASSIGNED: EventRule(next=_stay(_S.SUSPECTED, *_WORKED), effects=(Effect.ASSIGN,), causes=_PERSON),
        _E.SNOOZED: EventRule(
            next=_to(_S.SNOOZED, *_WORKED), effects=(Effect.MEASURE, Effect.SET_TERM), causes=_PERSON
        ),
        _E.ACCEPTED: EventRule(
            next=_to(_S.ACCEPTED, *_WORKED), effects=(Effect.MEASURE, Effect.SET_TERM), causes=_PERSON
        ),
        _E.NOTED: EventRule(next=_stay(*BreakState), causes=_PERSON, is_published=False),
    }
)

#: Kinds that are history only, always. The others are, while a break is not announced.
INTERNAL_EVENTS = frozenset(kind for kind, rule in BREAK_EVENTS.items() if not rule.is_published)
#: Kinds that a person may cause.
MANUAL = frozenset(kind for kind, rule in BREAK_EVENTS.items() if Cause.PERSON in rule.causes)
#: State -> event -> next state. What is not in it is refused.
TRANSITIONS: Mapping[BreakState, Mapping[BreakEventKind, BreakState]] = MappingProxyType(
    {
        state: MappingProxyType({kind: rule.next[state] for kind, rule in BREAK_EVENTS.items() if state in rule.next})
        for state in BreakState
    }
)


def next_state(state: BreakState, kind: BreakEventKind, what: str = "the break") -> BreakState:
    """Return the state that follows.

    Raises:
        BreakRefusedError: the event cannot happen in this state; the sentence says what can.
    """
    allowed = TRANSITIONS[state]
    if kind not in allowed:
        possible = ", ".join(sorted(other.value for other in allowed))
        raise BreakRefusedError(
            f"{what} is {state.value}: it cannot become {kind.value!r}; possible now: {possible}",
            state=state.value,
            kind=kind.value,
        )
    return allowed[kind]
