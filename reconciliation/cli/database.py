"""`reconcile migrate` and `reconcile import`: the tables of this system, and the local book in them."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.bootstrap.desk import Desk, open_desk
from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.no_broker import warn_without_broker
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.domain.model.accounts import DEFAULT_CONNECTION
from reconciliation.operations.import_book import Imported, import_book
from reconciliation.support.wording import counted

#: Of a long list of accounts.
_NAMES_SHOWN = 5


@click.command()
@click.option(
    "--check", is_flag=True, help="List the missing migrations, and change nothing. Exit status 1 if there are any."
)
def migrate(check: bool) -> None:
    """Create or update the tables of the database. You may run it at any time, and many times at once."""
    with open_desk() as desk:
        address = desk.settings.database_address
        if check:
            missing = desk.missing_migrations()
            print_line(f"{address} lacks: {', '.join(missing)}" if missing else f"{address} is up to date")
            if missing:
                raise click.exceptions.Exit(ExitStatus.DISCREPANCIES)
            return
        applied = desk.migrate(on_wait=lambda sentence: click.echo(sentence, err=True))
        print_line(f"{address}: applied {', '.join(applied)}" if applied else f"{address} is up to date")


@click.command("import")
@click.argument("positions", type=click.Path(path_type=Path))
@click.option(
    "--balances", type=click.Path(path_type=Path), help="A CSV file of cash and equity: account_id,cash,equity."
)
@click.option(
    "--register/--no-register",
    default=True,
    help="Register accounts that are new, so that they are reconciled, or do not register them. Default: register.",
)
@json_option("one object with `accounts`, `positions` and `registered`")
def import_(positions: Path, balances: Path | None, register: bool, as_json: bool) -> None:
    """Load the local book from POSITIONS, a CSV file: account_id,symbol,asset_type,quantity,avg_cost.

    Each account that the files name is replaced as a whole. Other accounts do not change. If a file has an error,
    nothing is written. Accounts that are new are registered with the connection "default".
    """
    with open_desk() as desk:
        imported = _import_with_bar(desk, positions, balances)
        registered = desk.parts.stores.registry.register(imported.account_ids) if register else []
        address = desk.settings.database_address
        warn_without_broker(desk)
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


def _import_with_bar(desk: Desk, positions: Path, balances: Path | None) -> Imported:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("positions", total=None)
        return import_book(
            desk.parts.stores.engine,
            positions,
            balances,
            on_checked=lambda rows: progress.update(bar, total=rows),
            on_written=lambda rows: progress.advance(bar, rows),
        )
