"""What `compare` and `show` share: the options of a statement file, and its reading with the right exit status."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciliation.adapters.brokers.statements.broker import name_accounts
from reconciliation.adapters.brokers.statements.formats import FORMATS, read_statements, sniff_format
from reconciliation.adapters.brokers.statements.source import DEFAULT_MAX_FILE_MEGABYTES, StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import InvalidInputError, ReadError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--format", "format_name", type=click.Choice(FORMATS), help="Default: what the file looks like."),
    click.option("--mapping", type=FILE, help="How to read a CSV export: a TOML file, see docs/brokers/csv.md."),
    click.option(
        "--basis",
        type=click.Choice(("TRAD", "SETT", "CONT")),
        help="MT535 and semt.002: refuse statements on another basis (traded, settled, contractual).",
    ),
    click.option("--account", "account_id", metavar="ID", help="Only this account of the file."),
    click.option(
        "--no-position-list-means-flat",
        "absent_is_flat",
        is_flag=True,
        help="OFX: read a missing position list as no positions; only for banks that leave it out so.",
    ),
    click.option(
        "--max-file-megabytes",
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_FILE_MEGABYTES,
        show_default=True,
        help="Larger files are refused.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class StatementFile:
    """A statement file as the command line names it."""

    path: Path
    format_name: str | None
    mapping: Path | None
    basis: str | None
    account_id: str | None
    absent_is_flat: bool
    max_file_megabytes: int

    @property
    def source(self) -> StatementSource:
        return StatementSource(path=self.path, max_file_megabytes=self.max_file_megabytes)

    def detect_format(self) -> str:
        """Return the format that was named, or else what the file looks like."""
        try:
            return self.format_name or sniff_format(self.source)
        except ReadError as error:
            raise _as_input(error) from error

    def read(self) -> Sequence[Statement]:
        """Return the newest statement of each account, or of the one that was asked for.

        Raises:
            InvalidInputError: the file is not what it should be; another try cannot help.
            Incomplete, Unavailable: another try may.
        """
        try:
            statements = read_statements(
                self.source,
                format_name=self.detect_format(),
                mapping=self.mapping,
                absent_is_flat=self.absent_is_flat,
                basis=self.basis,
            )
        except ReadError as error:
            raise _as_input(error) from error
        if self.account_id is None:
            return statements
        found = [statement for statement in statements if statement.account_id == self.account_id]
        if not found:
            raise InvalidInputError(
                f"{self.path} holds no account {self.account_id!r}; it holds: {accounts_in(statements)}"
            )
        return found


def accounts_in(statements: Sequence[Statement]) -> str:
    """Return the first few accounts of a file as words."""
    return name_accounts([statement.account_id for statement in statements])


def statement_options(command: Command) -> Command:
    """Add the options that say how a statement file is to be read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _as_input(error: ReadError) -> Exception:
    """A file that no retry can mend is bad input of whoever named it; the rest stays what it is."""
    return error if error.retryable else InvalidInputError(str(error))
