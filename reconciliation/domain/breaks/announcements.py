"""Which events speak of the conditions of accounts: one for each cause, however many accounts share it. Pure.

A condition of few accounts is an event of each. More than `flood_cap` accounts of one connection are one event of that
connection; more connections than `MAX_CONNECTIONS`, or more single events than the cap, are one event of the whole
system. Such an event has a count, is published again when the count has doubled, and once more when it is over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from reconciliation.domain.breaks.account_health import CONDITIONS, SYSTEM, AccountEvent, Condition, ConditionState

#: More connections than this at once are a matter of the whole system.
MAX_CONNECTIONS = 5
#: A shared condition is over when no account has joined it for this long: it does not end and begin with every wave.
HOLD_SECONDS = 60.0
#: Who still has a condition this long after the shared one was over is an event of its own.
LEFTOVER_SECONDS = 600.0
#: How many accounts a shared event names.
SAMPLE_ACCOUNTS = 5
#: The scope of what concerns the whole system; others are names of connections.
WHOLE_SYSTEM = ""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The accounts of one connection that have one condition."""

    condition: Condition
    #: Empty: not known.
    connection: str
    #: That no event has mentioned yet.
    pending: int
    #: That still have it.
    live: int
    #: That are on the way to it: the last run of each failed.
    failing: int = 0
    since: datetime
    some: tuple[str, ...] = ()
    #: What is known of one of them.
    example: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SharedCondition:
    """A condition that one event reported for many accounts."""

    condition: Condition
    #: A connection, or `WHOLE_SYSTEM`.
    scope: str
    since: datetime
    #: The count of the last event.
    published: int
    #: Accounts that joined since it began.
    joined: int
    last_joined_at: datetime


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What one look at all conditions leads to."""

    events: tuple[AccountEvent, ...] = ()
    #: The shared conditions that hold from now on.
    shared: tuple[SharedCondition, ...] = ()
    #: Whose pending accounts are covered by a shared event.
    absorbed: tuple[tuple[Condition, str], ...] = ()
    #: Whose pending accounts are an event each.
    alone: tuple[tuple[Condition, str], ...] = ()
    #: Whose shared event is over: accounts that are left are looked at again after `LEFTOVER_SECONDS`.
    ended: tuple[tuple[Condition, str], ...] = ()


def announce(
    tallies: Sequence[Tally], shared: Sequence[SharedCondition], at: datetime, *, flood_cap: int
) -> Announcement:
    """Return which events are due.

    Args:
        tallies: of every condition and connection that has any.
        shared: what was shared before.
        at: now.
        flood_cap: more accounts than this are one event.
    """
    looks = [
        _Look(
            condition,
            {tally.connection: tally for tally in tallies if tally.condition is condition},
            {known.scope: known for known in shared if known.condition is condition},
            at,
            flood_cap,
        )
        for condition in Condition
    ]
    parts = [look.decide() for look in looks]
    return Announcement(
        events=tuple(event for part in parts for event in part.events),
        shared=tuple(known for part in parts for known in part.shared),
        absorbed=tuple(pair for part in parts for pair in part.absorbed),
        alone=tuple(pair for part in parts for pair in part.alone),
        ended=tuple(pair for part in parts for pair in part.ended),
    )


class _Look:
    """One condition, looked at over all connections."""

    def __init__(
        self,
        condition: Condition,
        tallies: Mapping[str, Tally],
        shared: Mapping[str, SharedCondition],
        at: datetime,
        flood_cap: int,
    ) -> None:
        self._condition = condition
        self._tallies = tallies
        self._before = shared
        self._at = at
        self._cap = flood_cap
        self._events: list[AccountEvent] = []
        self._shared: list[SharedCondition] = []

    def decide(self) -> Announcement:
        alone = CONDITIONS[self._condition].alone
        pending = [name for name, tally in self._tallies.items() if tally.pending]
        new = [name for name in pending if name not in self._before]
        crowded = [name for name in new if self._size([name]) > self._cap]
        single = [name for name in new if name not in crowded]
        if self._is_of_the_system(crowded, single if alone else []):
            if WHOLE_SYSTEM not in self._before:
                self._begin(WHOLE_SYSTEM, new)
            single = []
        else:
            for name in crowded:
                self._begin(name, [name])
        ended = [scope for scope, known in self._before.items() if not self._go_on(known)]
        return Announcement(
            events=tuple(self._events),
            shared=tuple(self._shared),
            absorbed=tuple((self._condition, name) for name in pending if name not in single),
            alone=tuple((self._condition, name) for name in single if alone),
            ended=tuple((self._condition, scope) for scope in ended),
        )

    def _is_of_the_system(self, crowded: Sequence[str], single: Sequence[str]) -> bool:
        if WHOLE_SYSTEM in self._before:
            return True
        connections = len(crowded) + len(self._before)
        events = len(crowded) + sum(self._tallies[name].pending for name in single)
        return bool(crowded and connections > MAX_CONNECTIONS) or events > self._cap

    def _members(self, scope: str) -> list[str]:
        """Return the connections that a shared condition speaks of."""
        if scope == WHOLE_SYSTEM:
            return [name for name in self._tallies if name == WHOLE_SYSTEM or name not in self._before]
        return [scope] if scope in self._tallies else []

    def _size(self, names: Iterable[str]) -> int:
        tallies = [self._tallies[name] for name in names]
        return max(sum(max(tally.live, tally.pending) for tally in tallies), sum(tally.failing for tally in tallies))

    def _begin(self, scope: str, names: Sequence[str]) -> None:
        size = self._size(names)
        since = min(self._tallies[name].since for name in names)
        known = SharedCondition(
            condition=self._condition,
            scope=scope,
            since=since,
            published=size,
            joined=sum(self._tallies[name].pending for name in names),
            last_joined_at=self._at,
        )
        self._shared.append(known)
        self._publish(CONDITIONS[self._condition].begin, known, names)

    def _go_on(self, known: SharedCondition) -> bool:
        """Keep a shared condition and count who joined it; or end it, and say so by False."""
        names = self._members(known.scope)
        joining = sum(self._tallies[name].pending for name in names)
        left = sum(self._tallies[name].live for name in names)
        if joining:
            known = replace(known, joined=known.joined + joining, last_joined_at=self._at)
        size = max(known.joined if joining else 0, self._size(names)) if names else 0
        if (
            not joining
            and left <= self._cap // 2
            and self._at - known.last_joined_at >= timedelta(seconds=HOLD_SECONDS)
        ):
            self._publish(CONDITIONS[self._condition].end, known, names, left=left)
            return False
        if size >= 2 * known.published:
            known = replace(known, published=size)
            self._publish(CONDITIONS[self._condition].begin, known, names)
        self._shared.append(known)
        return True

    def _publish(self, kind: str, known: SharedCondition, names: Sequence[str], left: int | None = None) -> None:
        details: dict[str, Any] = {} if known.scope == WHOLE_SYSTEM else {"connection": known.scope}
        details |= {"since": known.since.isoformat(), "accounts": max(known.published, known.joined)}
        if left is None:
            details |= self._description(names)
        else:
            details["left"] = left
        self._events.append(AccountEvent(account_id=SYSTEM, kind=kind, at=self._at, details=details))

    def _description(self, names: Sequence[str]) -> dict[str, Any]:
        some = [account_id for name in names for account_id in self._tallies[name].some]
        said: dict[str, Any] = {"some": some[:SAMPLE_ACCOUNTS]}
        known = sorted(name for name in names if name)
        if len(names) > 1:
            said |= {"connections": len(known), "some_connections": known[:SAMPLE_ACCOUNTS]}
        if self._condition is Condition.LISTS_NOTHING:
            said["hint"] = "the broker lists no position at all, although the local book holds some"
        example = next((self._tallies[name].example for name in names if self._tallies[name].example), {})
        return {**said, **{key: value for key, value in example.items() if key not in ("runs", "last_run_at")}}


def event_of_account(account_id: str, condition: Condition, state: ConditionState, at: datetime) -> AccountEvent:
    """Return the event of a condition that one account has alone."""
    details = dict(state.details)
    if state.until is not None:
        missed = state.until - state.since
        details |= {"until": state.until.isoformat(), "seconds": missed.total_seconds()}
        details["missed_slots"] = int(missed.total_seconds() / details["interval_seconds"])
    kind = CONDITIONS[condition].begin
    return AccountEvent(account_id=account_id, kind=kind, at=at, details=details, run_id=state.run_id)
