"""How an account stands as a whole: which reads were applied last, and what is wrong beyond single breaks. Pure.

A condition begins and ends by runs, or by the check for missed slots. Its event follows within seconds, from
`announcements`: by then it is known how many accounts share the cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import ReconciliationResult, Trigger


class Condition(str, Enum):
    """What may be wrong with a whole account, or with the system."""

    FLOOD = "flood"  # one run shows more new breaks than an operator can work: something systemic
    LISTS_NOTHING = "lists_nothing"  # the broker lists no position, although the local book holds some
    COULD_NOT_RUN = "could_not_run"  # several runs in a row were incomplete, or read older data than before
    MISSED_SLOT = "missed_slot"  # no run ended for longer than its interval allows
    STREAM_LAG = "stream_lag"  # a reader of events is far behind; of the system only


@dataclass(frozen=True, kw_only=True)
class ConditionRule:
    """Which events a condition leads to."""

    begin: str
    end: str
    #: Whether one account is an event. Else only many of one connection are.
    alone: bool = True


#: The one table of conditions.
CONDITIONS: Mapping[Condition, ConditionRule] = {
    Condition.FLOOD: ConditionRule(begin="flood", end="flood_ended"),
    Condition.LISTS_NOTHING: ConditionRule(begin="lists_nothing", end="lists_again", alone=False),
    Condition.COULD_NOT_RUN: ConditionRule(begin="could_not_run", end="runs_recovered"),
    Condition.MISSED_SLOT: ConditionRule(begin="missed_slot", end="schedule_recovered"),
    Condition.STREAM_LAG: ConditionRule(begin="stream_lag", end="stream_lag_ended"),
}

#: The account id of events that concern more than one account.
SYSTEM = ""


@dataclass(frozen=True, kw_only=True)
class AccountEvent:
    """The beginning or the end of a condition, of one account or of many."""

    account_id: str
    #: A word of `CONDITIONS`.
    kind: str
    at: datetime
    details: Mapping[str, Any]
    run_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class ConditionState:
    """Since when a condition holds, and whether an event said so."""

    since: datetime
    #: When the event is due; None: it was published.
    announce_at: datetime | None = None
    #: One event spoke of it and of other accounts together. If that is over, `announce_at` is set again.
    is_shared: bool = False
    #: It is over since then, and is kept until the event is published.
    until: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    run_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class AccountHealth:
    """What is kept of an account between its runs."""

    account_id: str
    #: The connection of the latest run; None: not known.
    connection: str | None = None
    #: The latest run of any outcome; None: never.
    last_run_at: datetime | None = None
    #: The interval that held at the latest run.
    interval_seconds: float | None = None
    #: The times of the data that the breaks are based on: nothing older may change them.
    local_as_of: datetime | None = None
    broker_as_of: datetime | None = None
    #: Highest fencing token seen, by scope.
    fences: Mapping[str, int] = field(default_factory=dict)
    #: Runs in a row that changed nothing.
    failed_runs: int = 0
    #: Applied runs in a row that showed a flood.
    flood_runs: int = 0
    #: When a confirmation run should have been made; None: none is wanted.
    confirm_at: datetime | None = None
    conditions: Mapping[Condition, ConditionState] = field(default_factory=dict)

    def has(self, condition: Condition) -> bool:
        state = self.conditions.get(condition)
        return state is not None and state.until is None


def why_not_applied(health: AccountHealth, run: RecordedRun) -> str | None:
    """Return why a run may change nothing: `incomplete`, `lease_lost` or `older_read`; None where it may.

    Another connection is another source: how old its data are is not compared with the one before.
    """
    result, fence = run.result, run.fence
    if result.error is not None:
        return "incomplete"
    if fence is not None and fence.number < health.fences.get(fence.scope, fence.number):
        return "lease_lost"
    local, broker = as_of_times(result)
    if health.local_as_of is not None and local < health.local_as_of:
        return "older_read"
    same_source = run.connection is None or health.connection in (None, run.connection)
    if same_source and health.broker_as_of is not None and broker < health.broker_as_of:
        return "older_read"
    return None


def as_of_times(result: ReconciliationResult) -> tuple[datetime, datetime]:
    """Return when each side's data were true; a side that claims the future is taken at the run's own time."""
    asked = result.timestamp
    return min(result.local_as_of or asked, asked), min(result.broker_as_of or asked, asked)


def after_run(
    health: AccountHealth,
    run: RecordedRun,
    *,
    not_applied: str | None,
    policy: BreakPolicy,
    flood_size: int = 0,
    filed: int = 0,
    is_crowd: bool = False,
) -> tuple[AccountHealth, list[AccountEvent]]:
    """Return the account's health after a run, and the events that need not wait.

    Args:
        health: before the run.
        run: of any outcome.
        not_applied: why it changed no break; None: it was applied.
        policy: the operator's rules.
        flood_size: how many breaks the run would have opened, where these are too many.
        filed: how many breaks of a lasting flood became cases.
        is_crowd: many accounts of its connection list nothing: that is their event, and no flood of each.
    """
    result = run.result
    changes = _ConditionChanges(health, result)
    changes.end_missed_slot(_interval_if_late(health, run, policy))
    moved: dict[str, Any] = {}
    if not_applied is None:
        changes.end(Condition.COULD_NOT_RUN)
        changes.set(Condition.LISTS_NOTHING, {}, holds=run.lists_nothing)
        changes.set(Condition.FLOOD, {"new_breaks": flood_size}, holds=flood_size > 0 and not is_crowd)
        if filed:
            changes.publish_again(Condition.FLOOD, {"new_breaks": flood_size, "opened": filed})
        moved["failed_runs"] = 0
        moved["flood_runs"] = health.flood_runs + 1 if flood_size else 0
        moved["local_as_of"], moved["broker_as_of"] = as_of_times(result)
    elif not_applied != "lease_lost":
        moved["failed_runs"] = failed = health.failed_runs + 1
        if failed >= policy.failed_runs_before_alert:
            changes.begin(Condition.COULD_NOT_RUN, {"runs": failed, **_reason(result, not_applied)})
    if run.fence is not None:
        highest = max(run.fence.number, health.fences.get(run.fence.scope, run.fence.number))
        moved["fences"] = {**health.fences, run.fence.scope: highest}
    after = replace(
        health,
        connection=run.connection or health.connection,
        last_run_at=max(health.last_run_at or result.timestamp, result.timestamp),
        interval_seconds=health.interval_seconds if run.config is None else run.config.interval_seconds,
        conditions=changes.conditions,
        **moved,
    )
    return after, changes.events


def after_missed_slot(health: AccountHealth, at: datetime, interval_seconds: float) -> AccountHealth:
    """Return the health of an account whose run is overdue."""
    if health.has(Condition.MISSED_SLOT):
        return health
    state = ConditionState(
        since=health.last_run_at or at, announce_at=at, details=_slot_details(health, interval_seconds)
    )
    return replace(health, conditions={**health.conditions, Condition.MISSED_SLOT: state})


def is_overdue(last_sign: datetime, at: datetime, interval_seconds: float, policy: BreakPolicy) -> bool:
    """Say whether an account that last ran, or was put into the schedule, at `last_sign` has missed its slot."""
    return (at - last_sign).total_seconds() > interval_seconds * policy.missed_slot_intervals


def _interval_if_late(health: AccountHealth, run: RecordedRun, policy: BreakPolicy) -> float | None:
    """Return the interval by which a run comes too late; None if it is in time, or if no time is set."""
    config, at = run.config, run.result.timestamp
    if config is None or not config.enabled or health.last_run_at is None or health.interval_seconds is None:
        return None
    if run.result.context.get("trigger") == Trigger.STARTUP.value:  # new to the schedule, or enabled again
        return None
    interval = max(config.interval_seconds, health.interval_seconds)
    return interval if is_overdue(health.last_run_at, at, interval, policy) else None


def _slot_details(health: AccountHealth, interval_seconds: float) -> dict[str, Any]:
    last = None if health.last_run_at is None else health.last_run_at.isoformat()
    return {"last_run_at": last, "interval_seconds": interval_seconds}


class _ConditionChanges:
    """Gathers which conditions begin and end by one run."""

    def __init__(self, health: AccountHealth, result: ReconciliationResult) -> None:
        self._health = health
        self._result = result
        self.conditions = dict(health.conditions)
        self.events: list[AccountEvent] = []

    def set(self, condition: Condition, details: Mapping[str, Any], *, holds: bool) -> None:
        if holds:
            self.begin(condition, details)
        else:
            self.end(condition)

    def begin(self, condition: Condition, details: Mapping[str, Any]) -> None:
        if not self._health.has(condition):
            at = self._result.timestamp
            self.conditions[condition] = ConditionState(
                since=at, announce_at=at, details=details, run_id=self._result.run_id
            )

    def end(self, condition: Condition) -> None:
        """End a condition. Only where its beginning was an event of this account, its end is one too."""
        state = self.conditions.pop(condition, None)
        if state is not None and state.announce_at is None and not state.is_shared:
            self._publish(CONDITIONS[condition].end, {"since": state.since.isoformat()})

    def end_missed_slot(self, late_by_interval: float | None) -> None:
        """End it; one that no event spoke of yet is kept, and so is one that this run itself shows."""
        known, at = self.conditions.get(Condition.MISSED_SLOT), self._result.timestamp
        if known is not None and (known.announce_at is None or known.is_shared):
            self.end(Condition.MISSED_SLOT)
        elif known is not None:
            self.conditions[Condition.MISSED_SLOT] = replace(known, until=known.until or at)
        elif late_by_interval is not None and self._health.last_run_at is not None:
            details = _slot_details(self._health, late_by_interval)
            self.conditions[Condition.MISSED_SLOT] = ConditionState(
                since=self._health.last_run_at, until=at, announce_at=at, details=details
            )

    def publish_again(self, condition: Condition, details: Mapping[str, Any]) -> None:
        """Publish news of a condition that was an event of this account."""
        state = self.conditions.get(condition)
        if state is not None and state.announce_at is None and not state.is_shared:
            self._publish(CONDITIONS[condition].begin, {"since": state.since.isoformat(), **details})

    def _publish(self, kind: str, details: Mapping[str, Any]) -> None:
        result = self._result
        event = AccountEvent(
            account_id=result.account_id, kind=kind, at=result.timestamp, details=details, run_id=result.run_id
        )
        self.events.append(event)


def _reason(result: ReconciliationResult, not_applied: str) -> dict[str, str]:
    if result.error is None:
        return {"reason": not_applied}
    error = result.error
    return {"reason": not_applied, "error": error.kind, "side": error.side, "message": error.message}
