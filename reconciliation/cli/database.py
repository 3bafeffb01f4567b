"""`reconcile migrate` and `reconcile import`: our own tables, and the local book in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from reconciliation.bootstrap import Bootstrap
from reconciliation.cli.output import print_json, print_line
from reconciliation.local.csv_import import Imported, import_book
from reconciliation.settings import Settings
from reconciliation.storage.migrate import pending, upgrade


@click.command()
@click.option("--check", is_flag=True, help="Only say what is missing; exit status 1 if anything is.")
def migrate(check: bool) -> None:
    """Bring the tables of the database up to date. Safe to run at any time, and by many at once."""
    with _own_database() as (engine, address):
        if check:
            missing = pending(engine)
            print_line(f"{address} lacks: {', '.join(missing)}" if missing else f"{address} is up to date")
            if missing:
                raise click.exceptions.Exit(1)
            return
        applied = upgrade(engine)
        print_line(f"{address}: applied {', '.join(applied)}" if applied else f"{address} is up to date")


@click.command("import")
@click.argument("positions", type=click.Path(path_type=Path))
@click.option("--balances", type=click.Path(path_type=Path), help="CSV of cash and equity: account_id,cash,equity.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def import_(positions: Path, balances: Path | None, as_json: bool) -> None:
    """Load the local book from POSITIONS, a CSV file: account_id,symbol,asset_type,quantity,avg_cost.

    Every account that the files name is replaced as a whole, in one transaction; other accounts stay as they are.
    """
    with _own_database() as (engine, address):
        imported = _import_with_bar(engine, positions, balances)
    if as_json:
        print_json({"accounts": len(imported.account_ids), "positions": imported.positions})
    else:
        print_line(f"{address}: wrote {len(imported.account_ids)} accounts with {imported.positions} positions")


def _import_with_bar(engine: Engine, positions: Path, balances: Path | None) -> Imported:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("positions", total=None)
        return import_book(
            engine,
            positions,
            balances,
            on_checked=lambda rows: progress.update(bar, total=rows),
            on_written=lambda rows: progress.advance(bar, rows),
        )


@contextmanager
def _own_database() -> Iterator[tuple[Engine, str]]:
    bootstrap = Bootstrap(Settings())
    try:
        yield bootstrap.engine, bootstrap.settings.database_address
    finally:
        bootstrap.close()
