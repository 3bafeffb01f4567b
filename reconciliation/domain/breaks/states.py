"""The states of a break and the one table of what may happen in each. Pure.

A key that was never seen counts as resolved: both begin with a sighting, so that "back again" needs no case of its own.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from reconciliation.errors import BreakRefusedError


class BreakState(str, Enum):
    """Where a break stands."""

    SUSPECTED = "suspected"  # seen, not yet confirmed: pages nobody
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # somebody has it
    SNOOZED = "snoozed"  # quiet until a time, or until the amount changes
    ACCEPTED = "accepted"  # known and tolerated, with a note, until it expires or the amount changes
    RESOLVED = "resolved"


class BreakEventKind(str, Enum):
    """What may happen to a break: the words of its history, and of the events that are told."""

    SUSPECTED = "suspected"  # a first sighting
    CLEARED = "cleared"  # a suspicion that the next complete run no longer showed
    OPENED = "opened"  # confirmed
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


#: Kinds that are history only: told to nobody.
INTERNAL_EVENTS = frozenset({BreakEventKind.SUSPECTED, BreakEventKind.CLEARED, BreakEventKind.NOTED})

#: Kinds that a person may cause.
MANUAL = frozenset(
    {
        BreakEventKind.ACKNOWLEDGED,
        BreakEventKind.ASSIGNED,
        BreakEventKind.SNOOZED,
        BreakEventKind.ACCEPTED,
        BreakEventKind.RESOLVED,
        BreakEventKind.NOTED,
    }
)

_S, _E = BreakState, BreakEventKind

_BY_HAND = {
    _E.ACKNOWLEDGED: _S.ACKNOWLEDGED,
    _E.SNOOZED: _S.SNOOZED,
    _E.ACCEPTED: _S.ACCEPTED,
    _E.RESOLVED: _S.RESOLVED,
}


def _staying(state: BreakState, *kinds: BreakEventKind) -> dict[BreakEventKind, BreakState]:
    return dict.fromkeys(kinds, state)


#: State -> event -> next state. What is not in it is refused.
TRANSITIONS: Mapping[BreakState, Mapping[BreakEventKind, BreakState]] = MappingProxyType(
    {
        _S.RESOLVED: {
            _E.SUSPECTED: _S.SUSPECTED,
            _E.OPENED: _S.OPEN,
            _E.REOPENED: _S.OPEN,
            **_staying(_S.RESOLVED, _E.NOTED),
        },
        _S.SUSPECTED: {
            _E.OPENED: _S.OPEN,
            _E.REOPENED: _S.OPEN,
            _E.CLEARED: _S.RESOLVED,
            **_staying(_S.SUSPECTED, _E.ASSIGNED, _E.NOTED),
        },
        _S.OPEN: {
            **_BY_HAND,
            **_staying(_S.OPEN, _E.CHANGED, _E.ESCALATED, _E.ASSIGNED, _E.NOTED),
        },
        _S.ACKNOWLEDGED: {
            **_BY_HAND,
            **_staying(_S.ACKNOWLEDGED, _E.CHANGED, _E.ESCALATED, _E.ASSIGNED, _E.NOTED),
        },
        _S.SNOOZED: {
            **_BY_HAND,
            _E.LAPSED: _S.OPEN,
            **_staying(_S.SNOOZED, _E.ASSIGNED, _E.NOTED),
        },
        _S.ACCEPTED: {
            **_BY_HAND,
            _E.LAPSED: _S.OPEN,
            **_staying(_S.ACCEPTED, _E.ASSIGNED, _E.NOTED),
        },
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
