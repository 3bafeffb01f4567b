"""`reconcile breaks ack|assign|snooze|accept|resolve|note`: what a person does, recorded with the person's name."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from reconciliation.bootstrap.desk import Desk, open_desk
from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.break_view import COLUMNS, SHORT_ID_DIGITS, break_line
from reconciliation.cli.options import Moment, json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.break_ import Break
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.errors import InvalidInputError, StorageError
from reconciliation.messages.break_events import break_payload
from reconciliation.ports.breaks import BreakFilter, BreakSort, SortKey, Total
from reconciliation.ports.bulk_jobs import BulkJob, BulkResult
from reconciliation.support.wording import counted
from reconciliation.usecases.filters import break_filter, split_words


def _action_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of every action."""
    for option in (
        json_option("the changed break, or for several breaks one object with `job_id`, `counts` and `items`"),
        click.option("--dry-run", is_flag=True, help="Show which breaks would be changed, and change nothing."),
        click.option(
            "--filter",
            "filter_text",
            metavar="TEXT",
            help="Change all breaks that match, such as 'symbol=NVDA cause=split'. Fields are as for `breaks list`.",
        ),
        click.option("--note", "note", metavar="TEXT", help="A note that says why. The history keeps it."),
        click.option("--by", "actor", metavar="NAME", help="Your name. Default: RECONCILIATION_ACTOR."),
        click.argument("break_ids", nargs=-1, metavar="[BREAK_ID]..."),
    ):
        command = option(command)
    return command


@click.command("ack")
@_action_options
def acknowledge(**options: Any) -> None:
    """Acknowledge a break and assign it to yourself."""
    _act(BreakEventKind.ACKNOWLEDGED, **options)


@click.command()
@_action_options
@click.argument("assignee")
def assign(**options: Any) -> None:
    """Assign a break to a person. ASSIGNEE is the person's name."""
    _act(BreakEventKind.ASSIGNED, **options)


@click.command()
@_action_options
@click.option(
    "--until",
    required=True,
    type=Moment(),
    help="The time when the break becomes open again: a span such as 8h, or a date and time in UTC.",
)
def snooze(**options: Any) -> None:
    """Mute a break until a time, or until its amount changes."""
    _act(BreakEventKind.SNOOZED, **options)


@click.command()
@_action_options
@click.option(
    "--until",
    type=Moment(),
    help="The time when the acceptance ends: a span such as 30d, or a date and time in UTC. Default: no end.",
)
@click.option(
    "--limit",
    "change_limit",
    metavar="AMOUNT",
    help="The acceptance ends when the difference changes by more than this amount.",
)
def accept(**options: Any) -> None:
    """Accept a break as known. A note (--note) must say why. The acceptance ends by time or by a change of amount."""
    limit = options.pop("change_limit")
    _act(BreakEventKind.ACCEPTED, change_limit=None if limit is None else _number(limit), **options)


@click.command()
@_action_options
def resolve(**options: Any) -> None:
    """Close a break by hand. The next run that still finds the difference opens the break again."""
    _act(BreakEventKind.RESOLVED, **options)


@click.command("note")
@_action_options
def note(**options: Any) -> None:
    """Add a note (--note) to the history of a break."""
    _act(BreakEventKind.NOTED, **options)


#: Rows of a dry run.
MAX_PREVIEW_ROWS = 20
#: One command for each action, in the order of `reconcile breaks --help`.
ACTIONS = (acknowledge, assign, snooze, accept, resolve, note)


def _act(kind: BreakEventKind, *, actor: str | None, as_json: bool, **options: Any) -> None:
    selected = _Selection(options.pop("break_ids"), options.pop("filter_text"))
    dry_run = options.pop("dry_run")
    with open_desk() as desk:
        action = BreakAction(kind=kind, actor=actor or desk.settings.actor or "", at=datetime.now(UTC), **options)
        if dry_run:
            _preview(desk, selected, as_json)
        elif selected.only is not None:
            case = desk.break_work.act(selected.only, action)
            if as_json:
                print_json(break_payload(case))
            else:
                print_line(f"{kind.value}: {case.key}, now {case.state.value}")
        else:
            job_id = desk.bulk_work.start(action, selected.text, selected.wanted)
            show_job(finish_job(desk, str(job_id)), as_json)


class _Selection:
    """The breaks that a command names: by their ids, or by a filter."""

    def __init__(self, break_ids: tuple[str, ...], filter_text: str | None) -> None:
        if bool(break_ids) == (filter_text is not None):
            raise click.UsageError("name breaks by their ids, or give --filter, and not both")
        self.only = break_ids[0] if len(break_ids) == 1 else None
        self.text = " ".join(break_ids) if filter_text is None else filter_text
        self.wanted: BreakFilter | tuple[str, ...] = break_ids
        if filter_text is not None:
            self.wanted = break_filter(split_words(filter_text), datetime.now(UTC))


def _preview(desk: Desk, selected: _Selection, as_json: bool) -> None:
    if isinstance(selected.wanted, BreakFilter):
        total = desk.break_reports.total(selected.wanted)
        page = desk.break_pages.page(selected.wanted, sort=(SortKey(BreakSort.ACCOUNT),), limit=MAX_PREVIEW_ROWS)
        cases: Sequence[Break] = page.breaks
    else:
        cases = [desk.breaks.show(break_id).case for break_id in selected.wanted]
        total = Total(count=len(cases))
    if as_json:
        print_json({"count": total.count, "breaks": [break_payload(case) for case in cases], "dry_run": True})
        return
    print_table(COLUMNS, [break_line(case, datetime.now(UTC)) for case in cases])
    more = f" The first {len(cases)} are shown." if total.count > len(cases) else ""
    print_line(f"{counted(total.count, 'break')} would be changed. Nothing was changed.{more}")


def finish_job(desk: Desk, job_id: str) -> BulkJob:
    """Do what is left of a job, with a bar on a terminal; where that is interrupted, say how it goes on."""
    console = Console(stderr=True)
    columns = (TextColumn("changing breaks"), BarColumn(), TextColumn("{task.completed}"))
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("", total=None)
            return desk.bulk_work.finish(job_id, on_done=lambda breaks: progress.advance(bar, breaks))
    except (KeyboardInterrupt, StorageError):
        print_line(f"interrupted; go on with `reconcile breaks resume {job_id}`", stream=sys.stderr)
        raise


def show_job(job: BulkJob, as_json: bool) -> None:
    """Print what became of each break of a job; exit with status 1 where some were not changed."""
    counts = Counter(item.result for item in job.items)
    if as_json:
        items = [
            {
                "break_id": str(item.break_id),
                "account_id": item.account_id,
                "result": item.result and item.result.value,
                "message": item.message,
            }
            for item in job.items
        ]
        by_word = {result.value: counts[result] for result in BulkResult}
        print_json({"job_id": str(job.job_id), "kind": job.action.kind.value, "counts": by_word, "items": items})
    else:
        left = [item for item in job.items if item.result is not BulkResult.DONE]
        for item in left:
            print_line(f"{item.break_id.hex[:SHORT_ID_DIGITS]} {item.account_id}: {item.message}", style="yellow")
        words = ", ".join(f"{counts[result]} {result.value}" for result in BulkResult if counts[result])
        print_line(f"{job.action.kind.value}: {words} of {counted(len(job.items), 'break')} (job {job.job_id})")
    if counts[BulkResult.DONE] < len(job.items):
        raise click.exceptions.Exit(ExitStatus.DISCREPANCIES)


@click.command()
@click.argument("job_id")
@json_option("one object with `job_id`, `counts` and `items`")
def resume(job_id: str, as_json: bool) -> None:
    """Finish a change of many breaks that was interrupted. JOB_ID is its id, or the first digits of it.

    Breaks that are done are not done again. For a finished job, this prints its results.
    """
    with open_desk() as desk:
        show_job(finish_job(desk, job_id), as_json)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInputError(f"--limit {text!r} is not a number") from None
