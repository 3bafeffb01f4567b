"""Whether readers of the event stream are so far behind that the stream may drop what they have not read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciliation.domain.breaks.account_health import CONDITIONS, SYSTEM, AccountEvent, Condition, ConditionState

#: A group is behind when it has not read more than this share of what the stream keeps: half is left to act in.
BEHIND_SHARE = 0.5
#: It has caught up at this share, so that a reader near the limit is not an event with every look.
CAUGHT_UP_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class StreamLag:
    """How far the consumer groups of the event stream have read."""

    #: Events in the stream now.
    length: int
    #: About how many it keeps; older ones are dropped.
    max_events: int
    #: The events that each group has not read; those that were dropped unread are counted too, where Redis knows them.
    unread: Mapping[str, int] = field(default_factory=dict)

    def behind(self, known: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Return the groups that are behind, in order; one of `known` is behind until it has caught up."""
        return tuple(
            name
            for name, count in sorted(self.unread.items())
            if count > self.max_events * (CAUGHT_UP_SHARE if name in known else BEHIND_SHARE)
        )


def after_look(
    known: ConditionState | None, lag: StreamLag, at: datetime
) -> tuple[ConditionState | None, AccountEvent | None]:
    """Return the condition `stream_lag` of the system after one look at the stream, and the event that is due.

    The event is published when a group falls behind, and when all have caught up.
    """
    rule = CONDITIONS[Condition.STREAM_LAG]
    before = frozenset(known.details["groups"]) if known else frozenset()
    behind = lag.behind(before)
    if not behind:
        if known is None:
            return None, None
        ended = {"since": known.since.isoformat()}
        return None, AccountEvent(account_id=SYSTEM, kind=rule.end, at=at, details=ended)
    state = replace(known or ConditionState(since=at), details={"groups": list(behind)})
    if before.issuperset(behind):
        return state, None
    details: dict[str, Any] = {
        "since": state.since.isoformat(),
        "groups": list(behind),
        "unread": max(lag.unread[name] for name in behind),
        "stream_keeps": lag.max_events,
    }
    return state, AccountEvent(account_id=SYSTEM, kind=rule.begin, at=at, details=details)
