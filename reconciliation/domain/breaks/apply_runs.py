"""What runs do to the breaks and the health of their accounts: all of it decided here, none of it written. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from reconciliation.domain.breaks.account_health import (
    AccountEvent,
    AccountHealth,
    Condition,
    after_run,
    why_not_applied,
)
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakEvent, BreakKey, is_published
from reconciliation.domain.breaks.lifecycle import AccountBefore, Advance, advance, confirmations_in_a_row
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import Outcome

Event = BreakEvent | AccountEvent


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A confirmation run that is wanted."""

    account_id: str
    due_at: datetime
    #: The first after an ordinary run is 1, one that such a run requests is 2.
    in_a_row: int = 1


@dataclass(frozen=True, kw_only=True)
class AppliedRun:
    """A run that is to be recorded."""

    run: RecordedRun
    #: Why it changed no break: incomplete, lease_lost, older_read; None: it was applied.
    not_applied: str | None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """All that follows from some runs: what a ledger has to write, and to do after it."""

    accounts: Mapping[str, AccountHealth]
    runs: tuple[AppliedRun, ...]
    #: Runs that were recorded as incomplete and were made again under the same id.
    replaced: frozenset[UUID]
    #: Every break that changed, as it is now.
    breaks: tuple[Break, ...]
    #: New history, in order.
    history: tuple[tuple[BreakKey, BreakChange], ...]
    #: To be published, in order.
    events: tuple[Event, ...]
    to_confirm: tuple[Confirmation, ...]
    #: Runs that changed nothing, as (account_id, why); `repeated`: recorded before, and not recorded again.
    not_applied: tuple[tuple[str, str], ...]


def apply_runs(
    accounts: Mapping[str, AccountHealth],
    breaks: Iterable[Break],
    runs: Sequence[RecordedRun],
    policy: BreakPolicy,
    *,
    recorded: Mapping[UUID, Outcome] | None = None,
    lists_nothing: Mapping[str, int] | None = None,
) -> Changes:
    """Return what the runs change.

    Args:
        accounts: the health of every account that has a run.
        breaks: every live break of these accounts, and the resolved ones whose key a run shows.
        runs: in the order in which they count.
        policy: the operator's rules.
        recorded: those of the runs that the ledger has already.
        lists_nothing: by connection, how many accounts are in this condition before the runs.
    """
    crowds = _crowds(accounts, runs, lists_nothing or {}, policy.flood_cap)
    batch = _Batch(accounts, breaks, policy, recorded=dict(recorded or {}), crowds=crowds)
    for run in runs:
        batch.add(run)
    return batch.changes()


class _Batch:
    """Gathers what the runs change, one after the other."""

    def __init__(
        self,
        accounts: Mapping[str, AccountHealth],
        breaks: Iterable[Break],
        policy: BreakPolicy,
        *,
        recorded: dict[UUID, Outcome],
        crowds: set[str],
    ) -> None:
        self._accounts = dict(accounts)
        self._policy = policy
        self._recorded = recorded
        self._crowds = crowds
        self._breaks: dict[str, dict[BreakKey, Break]] = {}
        for case in breaks:
            self._breaks.setdefault(case.key.account_id, {})[case.key] = case
        self._touched: dict[BreakKey, Break] = {}
        self._history: list[tuple[BreakKey, BreakChange]] = []
        self._runs: list[AppliedRun] = []
        self._replaced: set[UUID] = set()
        self._events: list[Event] = []
        self._to_confirm: dict[str, Confirmation] = {}
        self._not_applied: list[tuple[str, str]] = []

    def add(self, run: RecordedRun) -> None:
        result = run.result
        before = self._recorded.get(result.run_id)
        if before is not None and before is not Outcome.INCOMPLETE:
            self._not_applied.append((result.account_id, "repeated"))
            return
        if before is not None:
            self._replaced.add(result.run_id)
        # A second run of one id in one call is a repetition, whatever the first one was.
        self._recorded[result.run_id] = Outcome.CLEAN
        health = self._accounts[result.account_id]
        why = why_not_applied(health, run)
        self._runs.append(AppliedRun(run=run, not_applied=why))
        done, is_crowd = Advance(), run.connection in self._crowds and run.lists_nothing
        if why is None:
            done = self._advance(health, run, is_crowd=is_crowd)
        else:
            self._not_applied.append((result.account_id, why))
        after, events = after_run(
            health,
            run,
            not_applied=why,
            policy=self._policy,
            flood_size=done.flood_size,
            filed=done.filed,
            is_crowd=is_crowd,
        )
        self._accounts[result.account_id] = after
        self._events.extend(events)
        if why in (None, "incomplete"):
            # After an incomplete run the next ordinary one confirms: a broker that is away is not asked every second.
            self._ask_to_confirm(run, wanted=done.needs_confirmation)

    def _advance(self, health: AccountHealth, run: RecordedRun, *, is_crowd: bool) -> Advance:
        known = self._breaks.setdefault(run.result.account_id, {})
        applied = [moment for moment in (health.local_as_of, health.broker_as_of) if moment is not None]
        before = AccountBefore(
            flood_runs=health.flood_runs, is_crowd=is_crowd, applied_at=min(applied) if applied else None
        )
        done = advance(known.values(), run, self._policy, before)
        after = {case.key: case for case in done.breaks}
        known |= after
        self._touched |= after
        self._history.extend((case.key, change) for case, change in done.changes)
        self._events.extend(
            BreakEvent(case=case, change=change) for case, change in done.changes if is_published(case, change)
        )
        return done

    def _ask_to_confirm(self, run: RecordedRun, *, wanted: bool) -> None:
        account_id, due_at = run.result.account_id, None
        self._to_confirm.pop(account_id, None)
        if wanted:
            due_at = run.result.timestamp + timedelta(seconds=self._policy.confirmation_delay_seconds)
            in_a_row = confirmations_in_a_row(run.result) + 1
            self._to_confirm[account_id] = Confirmation(account_id=account_id, due_at=due_at, in_a_row=in_a_row)
        self._accounts[account_id] = replace(self._accounts[account_id], confirm_at=due_at)

    def changes(self) -> Changes:
        return Changes(
            accounts=self._accounts,
            runs=tuple(self._runs),
            replaced=frozenset(self._replaced),
            breaks=tuple(self._touched.values()),
            history=tuple(self._history),
            events=tuple(self._events),
            to_confirm=tuple(self._to_confirm.values()),
            not_applied=tuple(self._not_applied),
        )


def _crowds(
    accounts: Mapping[str, AccountHealth], runs: Sequence[RecordedRun], before: Mapping[str, int], cap: int
) -> set[str]:
    """Return the connections on which more than `cap` accounts list nothing: that has one cause."""
    new = {
        (run.connection, run.result.account_id)
        for run in runs
        if run.connection is not None
        and run.lists_nothing
        and not accounts[run.result.account_id].has(Condition.LISTS_NOTHING)
    }
    counts = Counter(before) + Counter(connection for connection, _ in new)
    return {connection for connection, count in counts.items() if count > cap}
