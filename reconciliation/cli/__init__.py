"""The command line `reconcile`: one module per group of commands, each imported only when it is used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from reconciliation.cli.boundary import error_boundary

#: Sections of `reconcile --help`: command name to "module:attribute". A new command adds one line here.
SECTIONS: Mapping[str, Mapping[str, str]] = {
    "On files, without any server": {
        "compare": "reconciliation.cli.compare:compare",
        "show": "reconciliation.cli.show:show",
    },
    "Runs": {
        "run": "reconciliation.cli.run:run",
        "sweep": "reconciliation.cli.schedule:sweep",
        "watch": "reconciliation.cli.watch:watch",
        "fills": "reconciliation.cli.fills:fills",
    },
    "Accounts and the local book": {
        "import": "reconciliation.cli.database:import_",
        "check-book": "reconciliation.cli.check_book:check_book",
        "accounts": "reconciliation.cli.accounts:accounts",
        "connections": "reconciliation.cli.connections:connections",
        "symbols": "reconciliation.cli.symbols:symbols",
    },
    "Breaks and reports": {
        "breaks": "reconciliation.cli.breaks:breaks",
        "runs": "reconciliation.cli.runs:runs",
        "report": "reconciliation.cli.report:report",
        "prune": "reconciliation.cli.prune:prune",
        "verify": "reconciliation.cli.verify:verify",
    },
    "Operation": {
        "up": "reconciliation.cli.up:up",
        "worker": "reconciliation.cli.worker:worker",
        "beat": "reconciliation.cli.worker:beat",
        "celery": "reconciliation.cli.worker:celery",
        "check": "reconciliation.cli.check:check",
        "settings": "reconciliation.cli.settings:settings",
        "schedule": "reconciliation.cli.schedule:schedule",
        "migrate": "reconciliation.cli.database:migrate",
    },
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command, or the help, is used."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = {title: names for title, names in sections.items() if names}
        self._targets = {name: target for names in sections.values() for name, target in names.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = self._targets.get(cmd_name)
        if target is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in self._sections.items():
            commands = {name: self.get_command(ctx, name) for name in names}
            with formatter.section(title):
                formatter.write_dl([(name, _summary(command)) for name, command in commands.items() if command])

    def invoke(self, ctx: click.Context) -> Any:
        with error_boundary():
            return super().invoke(ctx)


def _summary(command: click.Command) -> str:
    """Return the first sentence of a command's help, whole: click would cut it."""
    paragraph = " ".join((command.short_help or command.help or "").partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 success or clean, 1 discrepancies or a failed check, 2 wrong usage, input or configuration, "
    "3 incomplete (a side could not be read completely), 4 Redis or the database cannot be reached. "
    "Settings are read from RECONCILIATION_* variables and from .env.",
)
@click.version_option(package_name="reconciliation-workers", message="reconcile %(version)s")
def cli() -> None:
    """Compare your own book of positions, cash and equity with your broker's."""


def main() -> None:
    """Run the command line; the entry point `reconcile`."""
    cli(prog_name="reconcile")
