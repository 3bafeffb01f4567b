"""`reconcile migrate` and `reconcile import`: our own tables, and the local book in them."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from reconciliation.adapters.database.migrate import pending, upgrade
from reconciliation.adapters.database.registry import Registry
from reconciliation.cli.open_parts import open_parts
from reconciliation.cli.output import print_json, print_line
from reconciliation.domain.model.accounts import DEFAULT_CONNECTION
from reconciliation.operations.import_book import Imported, import_book
from reconciliation.support.wording import counted

#: Of a long list of accounts.
_NAMES_SHOWN = 5


@click.command()
@click.option("--check", is_flag=True, help="Only say what is missing; exit status 1 if anything is.")
def migrate(check: bool) -> None:
    """Bring the tables of the database up to date. Safe to run at any time, and by many at once."""
    with open_parts() as parts:
        engine, address = parts.stores.engine, parts.settings.database_address
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
@click.option(
    "--register/--no-register", default=True, help="Put accounts that are new on the schedule (the default), or don't."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def import_(positions: Path, balances: Path | None, register: bool, as_json: bool) -> None:
    """Load the local book from POSITIONS, a CSV file: account_id,symbol,asset_type,quantity,avg_cost.

    Every account that the files name is replaced as a whole, in one transaction; other accounts stay as they are.
    Accounts that are not registered yet are put on the schedule, on connection "default".
    """
    with open_parts() as parts:
        imported = _import_with_bar(parts.stores.engine, positions, balances)
        registered = Registry(parts.stores.engine).register(imported.account_ids) if register else []
        address = parts.settings.database_address
    accounts = len(imported.account_ids)
    if as_json:
        print_json({"accounts": accounts, "positions": imported.positions, "registered": registered})
        return
    print_line(f"{address}: wrote {counted(accounts, 'account')} with {counted(imported.positions, 'position')}")
    if registered:
        print_line(f"registered on connection {DEFAULT_CONNECTION!r}: {_shortened(registered)}")


def _shortened(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


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
