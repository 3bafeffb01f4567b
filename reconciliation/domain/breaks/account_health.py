"""Where an account stands as a whole: which reads were applied last, and what is wrong beyond single breaks. Pure.

Three things can be wrong with a whole account. Each is told once when it begins and once when it is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import Fence


class Condition(str, Enum):
    """What may be wrong with a whole account."""

    FLOOD = "flood"  # one run shows more new breaks than an operator can work: something systemic
    COULD_NOT_RUN = "could_not_run"  # several runs in a row were incomplete, or read older figures than before
    MISSED_SLOT = "missed_slot"  # no run ended for longer than its interval allows
    #: The same, told for many accounts at once under the empty account id.
    MISSED_TOGETHER = "missed_slot_together"


#: The account id of events that concern the whole system.
SYSTEM = ""
#: How many accounts an event about many names.
SAMPLE_ACCOUNTS = 5

#: The word of the event that tells the end of a condition.
RECOVERY: Mapping[Condition, str] = {
    Condition.FLOOD: "flood_ended",
    Condition.COULD_NOT_RUN: "runs_recovered",
    Condition.MISSED_SLOT: "schedule_recovered",
    Condition.MISSED_TOGETHER: "schedule_recovered",
}


@dataclass(frozen=True, kw_only=True)
class AccountEvent:
    """The beginning or the end of a condition."""

    account_id: str
    #: A `Condition`'s word, or that of its `RECOVERY`.
    kind: str
    at: datetime
    details: Mapping[str, Any]
    run_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class AccountHealth:
    """What is kept of an account between its runs."""

    account_id: str
    #: The latest run of any outcome; None: never.
    last_run_at: datetime | None = None
    #: The figures that breaks rest on: nothing older may change them.
    local_as_of: datetime | None = None
    broker_as_of: datetime | None = None
    #: Highest fencing number seen, by scope.
    fences: Mapping[str, int] = field(default_factory=dict)
    #: Runs in a row that changed nothing.
    failed_runs: int = 0
    #: What is wrong now, and since when.
    conditions: Mapping[Condition, datetime] = field(default_factory=dict)

    def has(self, condition: Condition) -> bool:
        return condition in self.conditions


def why_not_applied(health: AccountHealth, result: ReconciliationResult, fence: Fence | None) -> str | None:
    """Return why a run may change nothing: `incomplete`, `lease_lost` or `older_read`; None where it may."""
    if result.error is not None:
        return "incomplete"
    if fence is not None and fence.number < health.fences.get(fence.scope, fence.number):
        return "lease_lost"
    local, broker = as_of_times(result)
    if health.local_as_of is not None and local < health.local_as_of:
        return "older_read"
    if health.broker_as_of is not None and broker < health.broker_as_of:
        return "older_read"
    return None


def as_of_times(result: ReconciliationResult) -> tuple[datetime, datetime]:
    """Return when each side's figures were true; a side that claims the future is taken at the run's own time."""
    asked = result.timestamp
    return min(result.local_as_of or asked, asked), min(result.broker_as_of or asked, asked)


def after_run(
    health: AccountHealth,
    result: ReconciliationResult,
    *,
    fence: Fence | None,
    not_applied: str | None,
    flood_size: int,
    failed_runs_before_alert: int,
) -> tuple[AccountHealth, list[AccountEvent]]:
    """Return the account's standing after a run, and what is to be told of the account as a whole."""
    watch = _ConditionChanges(health, result)
    watch.ends(Condition.MISSED_SLOT)
    watch.conditions.pop(Condition.MISSED_TOGETHER, None)
    if not_applied is None:
        watch.failed_runs = 0
        watch.ends(Condition.COULD_NOT_RUN)
        if flood_size:
            watch.begins(Condition.FLOOD, {"new_breaks": flood_size})
        else:
            watch.ends(Condition.FLOOD)
    elif not_applied != "lease_lost":
        watch.failed_runs += 1
        if watch.failed_runs >= failed_runs_before_alert:
            watch.begins(Condition.COULD_NOT_RUN, {"runs": watch.failed_runs, **_reason(result, not_applied)})
    moved: dict[str, Any] = {}
    if not_applied is None:
        moved["local_as_of"], moved["broker_as_of"] = as_of_times(result)
    if fence is not None:
        highest = max(fence.number, health.fences.get(fence.scope, fence.number))
        moved["fences"] = {**health.fences, fence.scope: highest}
    last_run_at = result.timestamp if health.last_run_at is None else max(health.last_run_at, result.timestamp)
    after = replace(
        health, last_run_at=last_run_at, failed_runs=watch.failed_runs, conditions=watch.conditions, **moved
    )
    return after, watch.events


def after_missed_slot(
    health: AccountHealth, at: datetime, interval_seconds: float, *, together: bool = False
) -> tuple[AccountHealth, list[AccountEvent]]:
    """Return the standing of an account whose run is overdue; told once, and not by itself where it is one of many."""
    if health.has(Condition.MISSED_SLOT) or health.has(Condition.MISSED_TOGETHER):
        return health, []
    condition = Condition.MISSED_TOGETHER if together else Condition.MISSED_SLOT
    after = replace(health, conditions={**health.conditions, condition: at})
    if together:
        return after, []
    last = None if health.last_run_at is None else health.last_run_at.isoformat()
    details = {"last_run_at": last, "interval_seconds": interval_seconds}
    return after, [AccountEvent(account_id=health.account_id, kind=Condition.MISSED_SLOT.value, at=at, details=details)]


def after_missed_slots(
    system: AccountHealth, at: datetime, *, missed: Sequence[str], some_left: bool
) -> tuple[AccountHealth, list[AccountEvent]]:
    """Return the standing of the whole system, where many accounts missed their slots at once.

    Args:
        system: the standing under the empty account id.
        at: when it was looked at.
        missed: the accounts that are told together now.
        some_left: whether accounts of an earlier telling still have not run.
    """
    since = system.conditions.get(Condition.MISSED_TOGETHER)
    others = dict(system.conditions)
    others.pop(Condition.MISSED_TOGETHER, None)
    if missed and since is None:
        details: dict[str, Any] = {"accounts": len(missed), "some": list(missed[:SAMPLE_ACCOUNTS])}
        event = AccountEvent(account_id=SYSTEM, kind=Condition.MISSED_SLOT.value, at=at, details=details)
        return replace(system, conditions={**others, Condition.MISSED_TOGETHER: at}), [event]
    if since is not None and not missed and not some_left:
        kind = RECOVERY[Condition.MISSED_TOGETHER]
        over = AccountEvent(account_id=SYSTEM, kind=kind, at=at, details={"since": since.isoformat()})
        return replace(system, conditions=others), [over]
    return system, []


class _ConditionChanges:
    """Gathers which conditions begin and end by one run."""

    def __init__(self, health: AccountHealth, result: ReconciliationResult) -> None:
        self._result = result
        self.conditions = dict(health.conditions)
        self.failed_runs = health.failed_runs
        self.events: list[AccountEvent] = []

    def begins(self, condition: Condition, details: Mapping[str, Any]) -> None:
        if condition not in self.conditions:
            self.conditions[condition] = self._result.timestamp
            self._tell(condition.value, details)

    def ends(self, condition: Condition) -> None:
        since = self.conditions.pop(condition, None)
        if since is not None:
            self._tell(RECOVERY[condition], {"since": since.isoformat()})

    def _tell(self, kind: str, details: Mapping[str, Any]) -> None:
        self.events.append(
            AccountEvent(
                account_id=self._result.account_id,
                kind=kind,
                at=self._result.timestamp,
                details=details,
                run_id=self._result.run_id,
            )
        )


def _reason(result: ReconciliationResult, not_applied: str) -> dict[str, str]:
    if result.error is None:
        return {"reason": not_applied}
    error = result.error
    return {"reason": not_applied, "error": error.kind, "side": error.side, "message": error.message}
