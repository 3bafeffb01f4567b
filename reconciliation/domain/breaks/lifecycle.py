"""The life of breaks, decided: the known breaks of an account and one run in, the changed breaks out. Pure.

A run proposes at most one event for each break; a flood withdraws proposals; what is left is applied and kept.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciliation.domain.breaks.break_ import Amounts, Break, BreakChange, BreakKey, Sightings, apply
from reconciliation.domain.breaks.fill_evidence import FillEvidence
from reconciliation.domain.breaks.likely_causes import STICKY_CAUSES, Finding, explain
from reconciliation.domain.breaks.policy import BreakPolicy, Looks, is_higher
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import (
    DISCREPANCY_TRAITS,
    DiscrepancySeverity,
    NotCompared,
    ReconciliationResult,
    Trigger,
)

_OPENING = frozenset({BreakEventKind.OPENED, BreakEventKind.REOPENED})
#: The first run that shows a flood may say these of no break: what it read may be another account's book.
_WITHHELD = frozenset(
    {BreakEventKind.RESOLVED, BreakEventKind.CHANGED, BreakEventKind.ESCALATED, BreakEventKind.LAPSED}
)


@dataclass(frozen=True, kw_only=True)
class AccountBefore:
    """What is known of an account before a run."""

    #: Applied runs in a row that showed a flood, up to here.
    flood_runs: int = 0
    #: More accounts of its connection than the cap list nothing: that is one event, the cause of any opening.
    is_crowd: bool = False
    #: When the reads of the last applied run began.
    applied_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Advance:
    """What a run does to the breaks of its account."""

    #: Every break that the run touched, as it is now.
    breaks: tuple[Break, ...] = ()
    #: New history, in order, each with the break after it.
    changes: tuple[tuple[Break, BreakChange], ...] = ()
    #: A suspicion, or a break that seems gone, waits for a confirmation run.
    needs_confirmation: bool = False
    #: How many breaks the run would have opened, where these are too many; else 0.
    flood_size: int = 0
    #: How many breaks of a lasting flood became cases.
    filed: int = 0


@dataclass(frozen=True, kw_only=True)
class _Step:
    case: Break
    found: Finding | None
    severity: DiscrepancySeverity
    kind: BreakEventKind | None
    #: What is known of fills since the look from which the opening or the resolution is counted.
    fills: FillEvidence = FillEvidence.NONE


@dataclass(frozen=True, kw_only=True)
class _RunView:
    """What all steps of one run look at."""

    run: RecordedRun
    policy: BreakPolicy
    before: AccountBefore
    holdings: frozenset[str]

    @property
    def result(self) -> ReconciliationResult:
        return self.run.result

    def fills_since(self, looked_at_ms: int | None, key: BreakKey) -> FillEvidence:
        """Say what is known of fills between an earlier look and the end of this run's reads."""
        if looked_at_ms is None or self.run.fills_after is None:
            return FillEvidence.NONE
        return self.run.fills_after.since(looked_at_ms, key, self.holdings)


def advance(
    known: Iterable[Break], run: RecordedRun, policy: BreakPolicy, before: AccountBefore | None = None
) -> Advance:
    """Return what a run does to the breaks of its account.

    Args:
        known: every live break of the account, and the resolved ones whose key the run shows.
        run: an incomplete one changes nothing, whatever it partly read.
        policy: the operator's rules.
        before: the account before the run.
    """
    result = run.result
    if result.error is not None:
        return Advance()
    findings = explain(result, run.hints)
    view = _RunView(
        run=run,
        policy=policy,
        before=before or AccountBefore(),
        holdings=run.holdings - _perhaps_second_names(result),
    )
    # What was not compared this time is as it was: no value is not a right value.
    skipped = frozenset(result.not_compared)
    cases = {case.key: case for case in known if case.key in findings or _was_compared(case.key, skipped)}
    keys = sorted(cases.keys() | findings.keys(), key=lambda key: key.order)
    steps = [_propose(cases.get(key) or Break(key=key), findings.get(key), view) for key in keys]
    flood_size = _flood_size(steps, view)
    return _conclude(_restrain(steps, view, flooded=flood_size > 0), view, flood_size)


def _perhaps_second_names(result: ReconciliationResult) -> set[str]:
    """Return names that may be of one holding with another name: a fill of the one may explain the other."""
    return {found.other_symbol for found in result.discrepancies if found.other_symbol is not None}


def _was_compared(key: BreakKey, skipped: Collection[NotCompared]) -> bool:
    measure = DISCREPANCY_TRAITS[key.type].measure
    of_this = NotCompared(measure=measure, symbol=key.symbol, asset_type=key.asset_type, currency=key.currency)
    return of_this not in skipped and NotCompared(measure=measure) not in skipped


def read_time(result: ReconciliationResult) -> datetime:
    """Return the moment of which the whole run certainly speaks: its older side, never later than its own start."""
    sides = (result.timestamp, result.local_as_of, result.broker_as_of)
    return min(moment for moment in sides if moment is not None)


def _propose(case: Break, found: Finding | None, view: _RunView) -> _Step:
    counting = case.state is BreakState.SUSPECTED or case.seen.gone_count > 0
    fills = view.fills_since(case.seen.fills_before, case.key) if counting else FillEvidence.NONE
    if found is None:
        step = _Step(case=case, found=None, severity=case.severity, kind=None, fills=fills)
        return replace(step, kind=_when_gone(step, view))
    at = view.result.timestamp
    first = case.first_seen_at if case.is_live and case.first_seen_at is not None else at
    severity = view.policy.severity(found, at - first)
    step = _Step(case=case, found=found, severity=severity, kind=None, fills=fills)
    return replace(step, kind=_when_seen(step, found.amounts, view))


def _when_gone(step: _Step, view: _RunView) -> BreakEventKind | None:
    """A break that readers know of is resolved with the care with which it was opened."""
    case, seen = step.case, step.case.seen
    if case.state is BreakState.RESOLVED:
        return None
    if case.state is BreakState.SUSPECTED:
        return BreakEventKind.CLEARED
    looks = Looks(
        first_at=seen.gone_at,
        counted_from=seen.counted_from if seen.gone_count else None,
        count=seen.gone_count,
        last_at=seen.last_look_at,
    )
    return BreakEventKind.RESOLVED if _is_confirmed(step, looks, view) else None


def _is_confirmed(step: _Step, looks: Looks, view: _RunView) -> bool:
    disturbed = step.fills is not FillEvidence.NONE
    return view.policy.is_confirmed(looks, read_time(view.result), view.result.timestamp, disturbed=disturbed)


def _when_seen(step: _Step, amounts: Amounts, view: _RunView) -> BreakEventKind | None:
    case, seen, policy, at = step.case, step.case.seen, view.policy, view.result.timestamp
    match case.state:
        case BreakState.RESOLVED:
            return case.opening if policy.confirmations <= 1 else BreakEventKind.SUSPECTED
        case BreakState.SUSPECTED:
            looks = Looks(
                first_at=case.first_seen_at,
                counted_from=seen.counted_from,
                count=seen.count,
                last_at=seen.last_look_at,
            )
            return case.opening if _is_confirmed(step, looks, view) else None
        case BreakState.SNOOZED | BreakState.ACCEPTED:
            over = case.until is not None and case.until <= at
            moved = policy.is_material(case.key, case.published, amounts, case.change_limit)
            return BreakEventKind.LAPSED if over or moved else None
        case BreakState.OPEN | BreakState.ACKNOWLEDGED:
            if not case.is_announced:
                return case.opening
            if policy.is_material(case.key, case.published, amounts):
                return BreakEventKind.CHANGED
            return BreakEventKind.ESCALATED if is_higher(step.severity, case.severity) else None


def _flood_size(steps: list[_Step], view: _RunView) -> int:
    """Count what the run would open; in a flood, every suspicion that it still shows counts."""
    opening = [step for step in steps if step.kind in _OPENING]
    if view.before.flood_runs:
        opening = [step for step in steps if step.found is not None and _is_unannounced(step.case)]
    return len(opening) if len(opening) > (0 if view.before.is_crowd else view.policy.flood_cap) else 0


def _is_unannounced(case: Break) -> bool:
    return case.state is BreakState.SUSPECTED or (case.state is BreakState.OPEN and not case.is_announced)


def _restrain(steps: list[_Step], view: _RunView, *, flooded: bool) -> list[_Step]:
    """Withdraw what a run with too many new findings must not say.

    Only the first such run: when a flood lasts, what readers know of goes on, and the rest become cases.
    """
    new = sum(step.kind in _OPENING or step.kind is BreakEventKind.SUSPECTED for step in steps)
    if not flooded and new <= view.policy.flood_cap:
        return steps
    lasts = flooded and view.before.flood_runs > 0
    files = flooded and view.before.flood_runs + 1 >= view.policy.flood_runs_before_cases
    return [replace(step, kind=_restrained(step, flooded=flooded, lasts=lasts, files=files)) for step in steps]


def _restrained(step: _Step, *, flooded: bool, lasts: bool, files: bool) -> BreakEventKind | None:
    if step.kind in _WITHHELD and not lasts:
        return None
    if flooded and step.kind in _OPENING:
        if step.case.state is BreakState.SUSPECTED:
            return BreakEventKind.FILED if files else None
        return None if step.case.is_live else BreakEventKind.SUSPECTED
    return step.kind


def _conclude(steps: list[_Step], view: _RunView, flood_size: int) -> Advance:
    breaks: list[Break] = []
    changes: list[tuple[Break, BreakChange]] = []
    needs_confirmation = False
    for step in steps:
        case, seen = step.case, _look(step, view)
        if step.kind is not None:
            change = _change(step, step.kind, view)
            case = replace(apply(case, change), seen=seen)
        if not flood_size and _wants_confirmation(replace(step, case=case), seen, view):
            needs_confirmation = True
            seen = replace(seen, confirmations_asked=seen.confirmations_asked + 1)
        case = replace(case, seen=seen)
        if step.kind is not None:
            changes.append((case, change))
        if case != step.case:
            breaks.append(case)
    return Advance(
        breaks=tuple(breaks),
        changes=tuple(changes),
        needs_confirmation=needs_confirmation,
        flood_size=flood_size,
        filed=sum(change.kind is BreakEventKind.FILED for _, change in changes),
    )


def _change(step: _Step, kind: BreakEventKind, view: _RunView) -> BreakChange:
    result = view.result
    return BreakChange(
        kind=kind,
        at=result.timestamp,
        number=step.case.changes + 1,
        run_id=result.run_id,
        severity=step.severity,
        amounts=_amounts(step, kind, view),
        since=_goes_on_since(step.case, view),
    )


def _amounts(step: _Step, kind: BreakEventKind | None, view: _RunView) -> Amounts:
    """Return the values that the run saw; of a resolved break, those on which both sides agree now."""
    if step.found is not None:
        return step.found.amounts
    agreed = view.run.values_of(step.case.key) if kind is BreakEventKind.RESOLVED else None
    return agreed or step.case.seen.amounts


def _goes_on_since(case: Break, view: _RunView) -> datetime | None:
    """Return when the episode began that a person ended although no run had found the break gone."""
    by_hand = case.resolved_at if case.resolved_by is not None else None
    applied_at = view.before.applied_at
    if by_hand is None or (applied_at is not None and applied_at > by_hand):
        return None
    return case.first_seen_at


def _look(step: _Step, view: _RunView) -> Sightings:
    """Return the sightings with this look; a fill that may explain the counted ones restarts the count."""
    before, result = step.case.seen, view.result
    if step.found is None:
        return _look_gone(step, view)
    new_episode = not step.case.is_live
    seen_again = before.gone_count > 0
    restart = new_episode or seen_again or step.fills is not FillEvidence.NONE
    counts = restart or before.last_look_at is None or read_time(result) > before.last_look_at
    first = 1 if new_episode or (step.case.state is BreakState.SUSPECTED and restart) else before.count + counts
    return replace(
        _counted_from(step, view, restart=restart, new_episode=new_episode or seen_again),
        amounts=step.found.amounts,
        last_seen_at=result.timestamp,
        last_run_id=result.run_id,
        count=first,
        last_look_at=result.timestamp if counts else before.last_look_at,
        gone_at=None,
        gone_count=0,
        hints=_hints(before, step.found),
        value=step.found.value,
        ratio=step.found.ratio,
    )


def _look_gone(step: _Step, view: _RunView) -> Sightings:
    """Count a look at an open break that no longer shows it."""
    before, result = step.case.seen, view.result
    if step.case.state in (BreakState.SUSPECTED, BreakState.RESOLVED):
        return before
    first = before.gone_count == 0
    restart = first or step.fills is not FillEvidence.NONE
    counts = restart or before.last_look_at is None or read_time(result) > before.last_look_at
    return replace(
        _counted_from(step, view, restart=restart, new_episode=first),
        amounts=_amounts(step, step.kind, view),
        last_look_at=result.timestamp if counts else before.last_look_at,
        gone_at=before.gone_at or result.timestamp,
        gone_count=1 if restart else before.gone_count + counts,
    )


def _counted_from(step: _Step, view: _RunView, *, restart: bool, new_episode: bool) -> Sightings:
    before, fills_before = step.case.seen, view.run.fills_before
    if not restart:
        return before
    return replace(
        before,
        counted_from=view.result.timestamp,
        fills_before=None if fills_before is None else fills_before.at_ms,
        confirmations_asked=0 if new_episode or step.fills is FillEvidence.POSSIBLE else before.confirmations_asked,
    )


def _hints(before: Sightings, found: Finding) -> tuple[tuple[str, str], ...]:
    """Return the finding's hints, and the earlier ones that only the run after a fill could give."""
    if before.amounts != found.amounts:
        return found.hints
    said = {kind for kind, _ in found.hints}
    return found.hints + tuple(hint for hint in before.hints if hint[0] in STICKY_CAUSES - said)


def _wants_confirmation(step: _Step, seen: Sightings, view: _RunView) -> bool:
    """Say whether a confirmation run is to come: not where an ordinary run does as well, and not for ever."""
    policy, result = view.policy, view.result
    waits = step.case.state is BreakState.SUSPECTED or (step.case.is_live and seen.gone_count > 0)
    if not waits or seen.confirmations_asked >= policy.max_confirmation_runs:
        return False
    if confirmations_in_a_row(result) >= policy.max_confirmation_runs:
        return False
    if view.fills_since(seen.fills_before, step.case.key) is FillEvidence.POSSIBLE:
        return False  # the run at the end of its window comes later, and sees more
    # The same, except for that run itself: a fill before it leads to no other.
    return step.fills is not FillEvidence.POSSIBLE or result.context.get("trigger") == Trigger.POST_FILL.value


def confirmations_in_a_row(result: ReconciliationResult) -> int:
    """Return how many confirmation runs, this one included, followed upon one ordinary run."""
    if result.context.get("trigger") != Trigger.CONFIRMATION.value:
        return 0
    said = result.context.get("in_a_row")
    return said if isinstance(said, int) else 1


def age_of(case: Break, now: datetime) -> timedelta:
    """Return how long the present episode has been seen; a resolved break's age stopped at its end."""
    if case.first_seen_at is None:
        return timedelta(0)
    return max((case.resolved_at or now) - case.first_seen_at, timedelta(0))
