"""The ledger in our own tables: the runs of a sweep, and all that follows from them, in one transaction.

The number of statements does not depend on the number of accounts or findings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, delete, select

from reconciliation.adapters.database.account_lock import LockedAccount, lock_accounts, save_accounts
from reconciliation.adapters.database.bulk_rows import insert_rows, is_among, upsert_rows
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.ledger_rows import break_of, break_row, change_row, discrepancy_row, run_row
from reconciliation.adapters.database.tables.ledger import BreakEventRow, BreakRow, DiscrepancyRow, RunRow
from reconciliation.domain.breaks.account_health import Condition, after_run, why_not_applied
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakKey
from reconciliation.domain.breaks.lifecycle import RunFacts, advance, confirmations_in_a_row
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import Outcome
from reconciliation.ports.run_ledger import Confirmation, RecordedRun, Recording

#: Breaks asked for in one statement: well below what either database takes as parameters.
_KEYS_PER_STATEMENT = 10_000


@dataclass
class _Sweep:
    """What one call of `record` gathers before it writes."""

    accounts: dict[str, LockedAccount]
    #: By account.
    breaks: dict[str, dict[BreakKey, Break]]
    touched: dict[BreakKey, Break] = field(default_factory=dict)
    changes: list[tuple[BreakKey, BreakChange]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    #: Rows of runs that were incomplete before and are made anew under the same id.
    replaced: set[UUID] = field(default_factory=set)
    not_applied: list[tuple[str, str]] = field(default_factory=list)
    to_confirm: dict[str, Confirmation] = field(default_factory=dict)


class SqlLedger:
    """Implements `reconciliation.ports.run_ledger.RunLedger` on SQLite and PostgreSQL."""

    def __init__(self, engine: Engine, *, policy: BreakPolicy, failed_runs_before_alert: int = 3) -> None:
        self._engine = engine
        self._policy = policy
        self._could_not_run_after = failed_runs_before_alert

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        """Record every run, advance the breaks of its account, and note the events to tell: all or nothing.

        Raises:
            StorageError: the database cannot be reached; nothing was recorded.
        """
        if not runs:
            return Recording()
        with write_transaction(self._engine) as connection:
            accounts = lock_accounts(connection, (run.result.account_id for run in runs))
            known, failed = _recorded(connection, [run.result.run_id for run in runs])
            sweep = _Sweep(accounts=accounts, breaks=_load_breaks(connection, runs))
            for run in runs:
                if run.result.run_id in known:
                    sweep.not_applied.append((run.result.account_id, "repeated"))
                    continue
                known.add(run.result.run_id)
                if run.result.run_id in failed:
                    sweep.replaced.add(run.result.run_id)
                self._apply(sweep, run)
            _write(connection, sweep)
        return Recording(
            to_confirm=tuple(sweep.to_confirm.values()),
            to_publish=tuple(name for name, account in sweep.accounts.items() if account.outbox),
            not_applied=tuple(sweep.not_applied),
        )

    def _apply(self, sweep: _Sweep, run: RecordedRun) -> None:
        result = run.result
        account = sweep.accounts[result.account_id]
        reason = why_not_applied(account.health, result, run.fence)
        sweep.runs.append(run_row(run, reason))
        sweep.findings.extend(discrepancy_row(result.run_id, found) for found in result.discrepancies)
        flood_size = 0
        if reason is None:
            flood_size = self._advance(sweep, account, run)
        else:
            sweep.not_applied.append((result.account_id, reason))
        if reason == "incomplete":
            account.confirm_at = None  # the next run in turn confirms: a broker that is away is not asked every second
        account.health, events = after_run(
            account.health,
            result,
            fence=run.fence,
            not_applied=reason,
            flood_size=flood_size,
            failed_runs_before_alert=self._could_not_run_after,
        )
        account.tell(events)

    def _advance(self, sweep: _Sweep, account: LockedAccount, run: RecordedRun) -> int:
        result = run.result
        facts = RunFacts(
            fills_before=run.fills_before,
            fills_after=run.fills_after,
            holdings=run.holdings,
            in_flood=account.health.has(Condition.FLOOD),
            hints=run.hints,
        )
        known = sweep.breaks.setdefault(result.account_id, {})
        done = advance(known.values(), result, self._policy, facts)
        after = {case.key: case for case in done.breaks}
        known |= after
        sweep.touched |= after
        sweep.changes.extend(done.changes)
        for key, change in done.changes:
            account.queue_break_event(after[key], change)
        self._ask_to_confirm(sweep, account, run, wanted=done.needs_confirmation)
        return done.flood_size

    def _ask_to_confirm(self, sweep: _Sweep, account: LockedAccount, run: RecordedRun, *, wanted: bool) -> None:
        account_id = run.result.account_id
        account.confirm_at = None
        sweep.to_confirm.pop(account_id, None)
        if wanted:
            delay = timedelta(seconds=self._policy.confirmation_delay_seconds)
            account.confirm_at = run.result.timestamp + delay
            in_a_row = confirmations_in_a_row(run.result) + 1
            confirmation = Confirmation(account_id=account_id, due_at=account.confirm_at, in_a_row=in_a_row)
            sweep.to_confirm[account_id] = confirmation


def _recorded(connection: Connection, run_ids: Sequence[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Return which of the runs are recorded as complete, and which as incomplete: only these may be made again."""
    recorded = is_among(RunRow.run_id, run_ids, connection)
    rows = connection.execute(select(RunRow.run_id, RunRow.outcome).where(recorded)).all()
    failed = {run_id for run_id, outcome in rows if outcome == Outcome.INCOMPLETE.value}
    return {run_id for run_id, _ in rows} - failed, failed


def _load_breaks(connection: Connection, runs: Sequence[RecordedRun]) -> dict[str, dict[BreakKey, Break]]:
    """Return the live breaks of the accounts, and the resolved ones that a run shows again."""
    account_ids = sorted({run.result.account_id for run in runs})
    seen = sorted({BreakKey.of(found).break_id for run in runs for found in run.result.discrepancies})
    table = BreakRow.__table__
    live = is_among(table.c.account_id, account_ids, connection) & (table.c.state != BreakState.RESOLVED.value)
    rows = [*connection.execute(select(table).where(live)).mappings()]
    for start in range(0, len(seen), _KEYS_PER_STATEMENT):
        shown = is_among(table.c.break_id, seen[start : start + _KEYS_PER_STATEMENT], connection)
        again = shown & (table.c.state == BreakState.RESOLVED.value)
        rows.extend(connection.execute(select(table).where(again)).mappings())
    breaks: dict[str, dict[BreakKey, Break]] = {}
    for row in rows:
        case = break_of(row)
        breaks.setdefault(case.key.account_id, {})[case.key] = case
    return breaks


def _write(connection: Connection, sweep: _Sweep) -> None:
    if sweep.replaced:
        connection.execute(delete(RunRow).where(RunRow.run_id.in_(sweep.replaced)))
    insert_rows(connection, RunRow, sweep.runs)
    insert_rows(connection, DiscrepancyRow, sweep.findings)
    upsert_rows(connection, BreakRow, [break_row(case) for case in sweep.touched.values()])
    insert_rows(connection, BreakEventRow, [change_row(key.break_id, change) for key, change in sweep.changes])
    save_accounts(connection, list(sweep.accounts.values()))
