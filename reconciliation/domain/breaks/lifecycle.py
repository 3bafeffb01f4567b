"""The life of breaks, decided: the known breaks of an account and one run in, the changed breaks out. Pure.

A run proposes at most one event for each break; a flood withdraws proposals; what is left is applied and kept.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciliation.domain.breaks.break_ import Amounts, Break, BreakChange, BreakKey, Sightings, apply
from reconciliation.domain.breaks.fill_evidence import FillActivity, FillEvidence
from reconciliation.domain.breaks.likely_causes import NO_CAUSE_INPUTS, STICKY_CAUSES, CauseInputs, Finding, explain
from reconciliation.domain.breaks.policy import BreakPolicy, is_higher
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import (
    DISCREPANCY_TRAITS,
    DiscrepancySeverity,
    NotCompared,
    ReconciliationResult,
    Trigger,
)

_OPENING = frozenset({BreakEventKind.OPENED, BreakEventKind.REOPENED})
#: A run that shows a flood may say these of no break: what it read may be another account's book.
_WITHHELD = frozenset(
    {BreakEventKind.RESOLVED, BreakEventKind.CHANGED, BreakEventKind.ESCALATED, BreakEventKind.LAPSED}
)


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known about a run beside its result."""

    #: The account's fills before the reads began and after they ended; None: nobody keeps them.
    fills_before: FillActivity | None = None
    fills_after: FillActivity | None = None
    #: What either side holds, under the names of the findings.
    holdings: frozenset[str] = frozenset()
    #: Whether the account was in a flood when the run began.
    in_flood: bool = False
    hints: CauseInputs = NO_CAUSE_INPUTS


@dataclass(frozen=True, kw_only=True)
class Advance:
    """What a run does to the breaks of its account."""

    #: Every break that the run touched, as it is now.
    breaks: tuple[Break, ...] = ()
    #: New history, by break, in order.
    changes: tuple[tuple[BreakKey, BreakChange], ...] = ()
    #: A suspicion waits for a confirmation run.
    needs_confirmation: bool = False
    #: How many breaks the run would have opened, where these are too many; else 0.
    flood_size: int = 0


@dataclass(frozen=True, kw_only=True)
class _Step:
    case: Break
    found: Finding | None
    severity: DiscrepancySeverity
    kind: BreakEventKind | None
    #: What is known of fills since the sighting from which the confirmation is counted.
    fills: FillEvidence = FillEvidence.NONE


def advance(
    known: Iterable[Break], result: ReconciliationResult, policy: BreakPolicy, facts: RunFacts | None = None
) -> Advance:
    """Return what `result` does to the breaks of its account.

    Args:
        known: every live break of the account, and the resolved ones whose key the run shows.
        result: an incomplete one changes nothing, whatever it partly read.
        policy: the operator's rules.
        facts: fills, floods and what the causes are guessed from.
    """
    facts = facts or RunFacts()
    if result.error is not None:
        return Advance()
    findings = explain(result, facts.hints)
    facts = replace(facts, holdings=facts.holdings - _perhaps_second_names(result))
    # What was not compared this time is as it was: no figure is not a right figure.
    skipped = frozenset(result.not_compared)
    cases = {case.key: case for case in known if case.key in findings or _was_compared(case.key, skipped)}
    keys = sorted(cases.keys() | findings.keys(), key=lambda key: key.order)
    steps = [_propose(cases.get(key) or Break(key=key), findings.get(key), result, policy, facts) for key in keys]
    flood_size = _flood_size(steps, policy, facts)
    steps = _restrain(steps, policy, flooded=flood_size > 0)
    return _conclude(steps, result, policy, facts, flood_size)


def _perhaps_second_names(result: ReconciliationResult) -> set[str]:
    """Return names that may be of one holding with another name: a fill of the one may explain the other."""
    return {found.other_symbol for found in result.discrepancies if found.other_symbol is not None}


def _was_compared(key: BreakKey, skipped: Collection[NotCompared]) -> bool:
    measure = DISCREPANCY_TRAITS[key.type].measure
    of_this = NotCompared(measure=measure, symbol=key.symbol, asset_type=key.asset_type, currency=key.currency)
    return of_this not in skipped and NotCompared(measure=measure) not in skipped


def read_time(result: ReconciliationResult) -> datetime:
    """Return the moment of which the whole run surely speaks: its older side, never later than its own start."""
    sides = (result.timestamp, result.local_as_of, result.broker_as_of)
    return min(moment for moment in sides if moment is not None)


def _propose(
    case: Break, found: Finding | None, result: ReconciliationResult, policy: BreakPolicy, facts: RunFacts
) -> _Step:
    if found is None:
        return _Step(case=case, found=None, severity=case.severity, kind=_when_gone(case.state))
    first = case.first_seen_at if case.is_live and case.first_seen_at is not None else result.timestamp
    severity = policy.severity(case.key.type, found.severity, found.amounts, result.timestamp - first)
    fills = FillEvidence.NONE
    if case.state is BreakState.SUSPECTED:
        fills = _fills_since(case.seen.fills_before, case.key, facts)
    step = _Step(case=case, found=found, severity=severity, kind=None, fills=fills)
    return replace(step, kind=_when_seen(step, found.amounts, result, policy))


def _fills_since(looked_at_ms: int | None, key: BreakKey, facts: RunFacts) -> FillEvidence:
    """Say what is known of fills between an earlier look and the end of this run's reads."""
    if looked_at_ms is None or facts.fills_after is None:
        return FillEvidence.NONE
    return facts.fills_after.since(looked_at_ms, key, facts.holdings)


def _when_gone(state: BreakState) -> BreakEventKind | None:
    if state is BreakState.RESOLVED:
        return None
    return BreakEventKind.CLEARED if state is BreakState.SUSPECTED else BreakEventKind.RESOLVED


def _when_seen(
    step: _Step, amounts: Amounts, result: ReconciliationResult, policy: BreakPolicy
) -> BreakEventKind | None:
    case = step.case
    match case.state:
        case BreakState.RESOLVED:
            return case.opening if policy.confirmations <= 1 else BreakEventKind.SUSPECTED
        case BreakState.SUSPECTED:
            disturbed = step.fills is not FillEvidence.NONE
            sure = policy.is_confirmed(case, read_time(result), result.timestamp, disturbed=disturbed)
            return case.opening if sure else None
        case BreakState.SNOOZED | BreakState.ACCEPTED:
            over = case.until is not None and case.until <= result.timestamp
            moved = policy.is_material(case.key, case.published, amounts, case.change_limit)
            return BreakEventKind.LAPSED if over or moved else None
        case BreakState.OPEN | BreakState.ACKNOWLEDGED:
            if policy.is_material(case.key, case.published, amounts):
                return BreakEventKind.CHANGED
            return BreakEventKind.ESCALATED if is_higher(step.severity, case.severity) else None


def _flood_size(steps: list[_Step], policy: BreakPolicy, facts: RunFacts) -> int:
    """Count what the run would open; in a flood, every suspicion that it still shows counts."""
    opening = sum(step.kind in _OPENING for step in steps)
    if facts.in_flood:
        opening = sum(step.found is not None and step.case.state is BreakState.SUSPECTED for step in steps)
    return opening if opening > policy.flood_cap else 0


def _restrain(steps: list[_Step], policy: BreakPolicy, *, flooded: bool) -> list[_Step]:
    """Withdraw what a run with too many new findings must not say."""
    new = sum(step.kind in _OPENING or step.kind is BreakEventKind.SUSPECTED for step in steps)
    if not flooded and new <= policy.flood_cap:
        return steps
    return [replace(step, kind=_restrained(step, flooded=flooded)) for step in steps]


def _restrained(step: _Step, *, flooded: bool) -> BreakEventKind | None:
    if step.kind in _WITHHELD:
        return None
    if flooded and step.kind in _OPENING:
        return None if step.case.is_live else BreakEventKind.SUSPECTED
    return step.kind


def _conclude(
    steps: list[_Step], result: ReconciliationResult, policy: BreakPolicy, facts: RunFacts, flood_size: int
) -> Advance:
    breaks: list[Break] = []
    changes: list[tuple[BreakKey, BreakChange]] = []
    needs_confirmation = False
    for step in steps:
        case = step.case
        if step.kind is not None:
            change = _change(step, step.kind, result)
            case = apply(case, change)
            changes.append((case.key, change))
        if step.found is not None:
            seen = _look(step, step.found, result, facts)
            if not flood_size and _wants_confirmation(replace(step, case=case), seen, result, policy, facts):
                needs_confirmation = True
                seen = replace(seen, confirmations_asked=seen.confirmations_asked + 1)
            case = replace(case, seen=seen)
        if case is not step.case:
            breaks.append(case)
    return Advance(
        breaks=tuple(breaks), changes=tuple(changes), needs_confirmation=needs_confirmation, flood_size=flood_size
    )


def _change(step: _Step, kind: BreakEventKind, result: ReconciliationResult) -> BreakChange:
    amounts = step.found.amounts if step.found is not None else step.case.seen.amounts
    return BreakChange(
        kind=kind,
        at=result.timestamp,
        number=step.case.changes + 1,
        run_id=result.run_id,
        severity=step.severity,
        amounts=amounts,
    )


def _look(step: _Step, found: Finding, result: ReconciliationResult, facts: RunFacts) -> Sightings:
    """Return the sightings with this one; a fill that may explain the counted ones starts the count anew."""
    before = step.case.seen
    new_episode = not step.case.is_live
    anew = new_episode or step.fills is not FillEvidence.NONE
    looked_at_ms = None if facts.fills_before is None else facts.fills_before.at_ms
    return Sightings(
        amounts=found.amounts,
        last_seen_at=result.timestamp,
        last_run_id=result.run_id,
        count=1 if anew else before.count + 1,
        counted_from=result.timestamp if anew else before.counted_from,
        fills_before=looked_at_ms if anew else before.fills_before,
        confirmations_asked=0 if new_episode or step.fills is FillEvidence.POSSIBLE else before.confirmations_asked,
        hints=_hints(before, found),
    )


def _hints(before: Sightings, found: Finding) -> tuple[tuple[str, str], ...]:
    """Return the finding's hints, and the earlier ones that only the run after a fill could give."""
    if before.amounts != found.amounts:
        return found.hints
    said = {kind for kind, _ in found.hints}
    return found.hints + tuple(hint for hint in before.hints if hint[0] in STICKY_CAUSES - said)


def _wants_confirmation(
    step: _Step, seen: Sightings, result: ReconciliationResult, policy: BreakPolicy, facts: RunFacts
) -> bool:
    """Say whether a confirmation run is to come: not where an ordinary run does as well, and not for ever."""
    if step.case.state is not BreakState.SUSPECTED or seen.confirmations_asked >= policy.max_confirmation_runs:
        return False
    if confirmations_in_a_row(result) >= policy.max_confirmation_runs:
        return False
    if _fills_since(seen.fills_before, step.case.key, facts) is FillEvidence.POSSIBLE:
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


def by_key(breaks: Iterable[Break]) -> Mapping[BreakKey, Break]:
    return {case.key: case for case in breaks}
