"""`reconcile prune`: delete what is older than it need be."""

from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.adapters.database.retention import count_old
from reconciliation.adapters.database.retention import prune as prune_database
from reconciliation.cli.open_parts import Span, open_parts
from reconciliation.cli.output import print_json, print_line
from reconciliation.support.wording import counted


@click.command()
@click.option("--older-than", required=True, type=Span(), help="Such as 90d.")
@click.option("--dry-run", is_flag=True, help="Only say how much would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prune(older_than: timedelta, dry_run: bool, as_json: bool) -> None:
    """Delete runs, and resolved breaks, older than a span. Safe while workers run; may be stopped at any moment."""
    before = datetime.now(UTC) - older_than
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with open_parts() as parts:
        gone = count_old(parts.stores.engine, before)
        if not dry_run:
            with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
                bar = progress.add_task("rows", total=gone.runs + gone.breaks)
                gone = prune_database(parts.stores.engine, before, on_deleted=lambda rows: progress.advance(bar, rows))
    if as_json:
        print_json({"runs": gone.runs, "breaks": gone.breaks, "dry_run": dry_run})
    else:
        rows = f"{counted(gone.runs, 'run')} and {counted(gone.breaks, 'resolved break')}"
        print_line(f"{'would delete' if dry_run else 'deleted'} {rows}")
