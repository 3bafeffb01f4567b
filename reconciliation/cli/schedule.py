"""`reconcile schedule status` and `reconcile sweep`: what is due, and many accounts now."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.bootstrap.desk import ScheduleStatus, open_desk
from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.check import exit_if_failed, fail_if_older_option, print_findings
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.models import Outcome
from reconciliation.operations.liveness import check_work
from reconciliation.support.wording import counted
from reconciliation.usecases.request_runs import RunRequests

LOOK_SECONDS = 0.5


@click.group()
def schedule() -> None:
    """Show the schedule of periodic runs."""


@schedule.command()
@fail_if_older_option
@json_option("the whole status")
def status(fail_if_older: timedelta | None, as_json: bool) -> None:
    """Show for each connection which accounts are due, overdue and being reconciled, and whether the work is done.

    Exit status 1 if beat, workers, events, accounts, connections or clocks are not as they should be.
    """
    with open_desk() as desk:
        found, registered = desk.schedule_status(), desk.parts.stores.registry.count()
        work = list(check_work(desk.parts, fail_if_older))
    if as_json:
        print_json(asdict(found) | {"registered": registered, "work": [asdict(finding) for finding in work]})
    else:
        _print_status(found, registered)
        print_line()
        print_findings(work)
    exit_if_failed(work)


def _print_status(found: ScheduleStatus, registered: int) -> None:
    print_line(f"{found.accounts} of {registered} registered accounts are in the schedule")
    if not found.complete:
        print_line("the schedule is being filled: Redis does not know every account yet", style="yellow")
    print_line(
        f"{found.runs_per_second:.1f} runs a second in the last minute, {found.requested} requested runs are waiting"
    )
    columns = ("connection", "waiting", "due", "overdue", "in_lease", "oldest_seconds")
    print_table(columns, ([asdict(each)[name] for name in columns] for each in found.connections))


@click.command()
@click.option(
    "--label",
    "labels",
    multiple=True,
    required=True,
    help="Reconcile the enabled accounts that have this label. Repeated: accounts that have all these labels.",
)
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    help="How long the command waits for the runs. After that, the exit status is 3.",
)
@click.option("--no-wait", is_flag=True, help="Request the runs, and do not wait for them.")
def sweep(labels: tuple[str, ...], timeout_seconds: float, no_wait: bool) -> None:
    """Reconcile all accounts that have a label now. The workers make the runs.

    Exit status: 0 all clean, 1 discrepancies, 3 some run is incomplete or did not end in time.
    """
    with open_desk() as desk:
        run_ids = desk.run_requests.request(labels)
        if no_wait:
            print_line(f"{counted(len(run_ids), 'run')} requested.")
            return
        outcomes = _wait(desk.run_requests, run_ids, timeout_seconds)
    missing = len(run_ids) - outcomes.total()
    print_table(("outcome", "runs"), [*sorted(outcomes.items()), *([("not ended yet", missing)] if missing else [])])
    if missing or outcomes[Outcome.INCOMPLETE.value]:
        raise click.exceptions.Exit(ExitStatus.INCOMPLETE)
    raise click.exceptions.Exit(int(bool(outcomes[Outcome.DISCREPANCIES.value])))


def _wait(requests: RunRequests, run_ids: Sequence[UUID], timeout_seconds: float) -> Counter[str]:
    """Follow the runs in the ledger until all have ended or the time is over."""
    outcomes: Counter[str] = Counter()
    left = list(run_ids)
    deadline = time.monotonic() + timeout_seconds
    columns = (TextColumn("reconciling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(left))
        while left and time.monotonic() < deadline:
            done = requests.outcomes(left)
            outcomes.update(done.values())
            left = [run_id for run_id in left if run_id not in done]
            progress.advance(bar, len(done))
            if left:
                time.sleep(LOOK_SECONDS)
    return outcomes
