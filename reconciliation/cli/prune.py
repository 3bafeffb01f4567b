"""`reconcile prune`: delete old runs and old resolved breaks."""

from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import Span, json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.support.wording import counted


@click.command()
@click.option(
    "--older-than",
    required=True,
    type=Span(),
    help="The age after which runs and resolved breaks are deleted, such as 90d.",
)
@click.option("--dry-run", is_flag=True, help="Dry run: count the rows, and delete nothing.")
@json_option("one object with the numbers of `runs` and `breaks`")
def prune(older_than: timedelta, dry_run: bool, as_json: bool) -> None:
    """Delete old runs and old resolved breaks.

    Workers may run meanwhile. You may stop the command at any moment, and start it again.
    """
    before = datetime.now(UTC) - older_than
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with open_desk() as desk:
        gone = desk.count_old(before)
        if not dry_run:
            with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
                bar = progress.add_task("rows", total=gone.runs + gone.breaks)
                gone = desk.prune(before, on_deleted=lambda rows: progress.advance(bar, rows))
    if as_json:
        print_json({"runs": gone.runs, "breaks": gone.breaks, "dry_run": dry_run})
    else:
        rows = f"{counted(gone.runs, 'run')} and {counted(gone.breaks, 'resolved break')}"
        print_line(f"{'would delete' if dry_run else 'deleted'} {rows}")
