"""`reconcile schedule status` and `reconcile sweep`: what is due, and many accounts now."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import select

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.registry import AccountFilter, chunks
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.adapters.redis.due_status import read_status
from reconciliation.bootstrap import Bootstrap
from reconciliation.cli.accounts import opened
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import InvalidInputError
from reconciliation.support.wording import counted

LOOK_SECONDS = 0.5
ASK_AT_ONCE = 1000


@click.group()
def schedule() -> None:
    """Look at the schedule."""


@schedule.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json: bool) -> None:
    """Show what is due, overdue and under way, for each connection."""
    with opened() as parts:
        found = read_status(parts.coordination.space)
        registered = parts.stores.registry.count()
    if as_json:
        print_json(asdict(found) | {"registered": registered})
        return
    print_line(f"{found.accounts} of {registered} registered accounts are in the schedule")
    if not found.complete:
        print_line("the schedule is being filled: Redis does not know every account yet", style="yellow")
    print_line(f"{found.runs_per_second:.1f} runs a second in the last minute, {found.requested} requested runs wait")
    columns = ("connection", "waiting", "due", "overdue", "in_lease", "oldest_seconds")
    print_table(columns, ([asdict(each)[name] for name in columns] for each in found.connections))


@click.command()
@click.option("--label", "labels", multiple=True, required=True, help="All enabled accounts with these labels.")
@click.option("--timeout-seconds", type=click.FloatRange(min=0), default=600.0, show_default=True)
@click.option("--no-wait", is_flag=True, help="Ask for the runs and return.")
def sweep(labels: tuple[str, ...], timeout_seconds: float, no_wait: bool) -> None:
    """Reconcile all accounts with a label now, through the workers, and wait for their runs."""
    with opened() as parts:
        account_ids = parts.stores.registry.find_ids(AccountFilter(labels=labels, enabled=True))
        if not account_ids:
            raise InvalidInputError(f"no enabled account has the label {' and '.join(labels)}")
        context = {"trigger": Trigger.ON_DEMAND.value, "labels": list(labels)}
        requests = [RunRequest(account_id=name, context=context) for name in account_ids]
        for first in range(0, len(requests), ASK_AT_ONCE):
            parts.coordination.due_queue.enqueue(requests[first : first + ASK_AT_ONCE])
        if no_wait:
            print_line(f"{counted(len(requests), 'run')} asked for.")
            return
        outcomes = _wait(parts, [request.run_id for request in requests], timeout_seconds)
    missing = len(requests) - outcomes.total()
    print_table(("outcome", "runs"), [*sorted(outcomes.items()), *([("not made yet", missing)] if missing else [])])
    raise click.exceptions.Exit(3 if missing or outcomes["incomplete"] else int(bool(outcomes["discrepancies"])))


def _wait(parts: Bootstrap, run_ids: Sequence[UUID], timeout_seconds: float) -> Counter[str]:
    """Follow the runs in the ledger until all are made or time is over."""
    outcomes: Counter[str] = Counter()
    left = [str(run_id) for run_id in run_ids]
    deadline = time.monotonic() + timeout_seconds
    columns = (TextColumn("reconciling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(left))
        while left and time.monotonic() < deadline:
            done = _recorded(parts, left)
            outcomes.update(done.values())
            left = [run_id for run_id in left if run_id not in done]
            progress.advance(bar, len(done))
            if left:
                time.sleep(LOOK_SECONDS)
    return outcomes


def _recorded(parts: Bootstrap, run_ids: Sequence[str]) -> dict[str, str]:
    done: dict[str, str] = {}
    with read_transaction(parts.stores.engine) as db:
        for chunk in chunks(run_ids):
            rows = db.execute(
                select(RunRow.run_id, RunRow.outcome).where(RunRow.run_id.in_([UUID(text) for text in chunk]))
            )
            done.update((str(run_id), outcome) for run_id, outcome in rows)
    return done
