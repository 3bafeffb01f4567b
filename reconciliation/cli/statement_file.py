"""What `compare` and `show` share: the options of a statement file, and its reading with the right exit status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from reconciliation.adapters.brokers.statements.broker import name_accounts
from reconciliation.adapters.brokers.statements.format import FormatOption
from reconciliation.adapters.brokers.statements.formats import (
    FORMAT_OPTIONS,
    FORMATS,
    read_statements,
    sniff_format,
    titles,
)
from reconciliation.adapters.brokers.statements.limits import DEFAULT_MAX_FILE_MEGABYTES
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import InvalidInputError, ReadError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


def _format_option(option: FormatOption) -> Callable[[Command], Command]:
    """Return an option of a format as one of the command line: the same name, the same values."""
    kind = click.Choice(option.choices) if option.choices else FILE if option.is_file else None
    flag, text = f"--{option.name.replace('_', '-')}", f"{titles(option)}: {option.help}"
    return click.option(flag, option.name, type=kind, is_flag=option.is_flag, help=text)


_OPTIONS = (
    click.option("--format", "format_name", type=click.Choice([*FORMATS]), help="Default: what the file looks like."),
    *(_format_option(option) for option in FORMAT_OPTIONS.values()),
    click.option("--account", "account_id", metavar="ID", help="Only this account of the file."),
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
    account_id: str | None
    max_file_megabytes: int
    #: Options of its format that were given, by name.
    options: Mapping[str, Any]

    @classmethod
    def named(cls, path: Path, given: Mapping[str, Any]) -> Self:
        """Return the file with what `statement_options` added to a command's parameters."""
        options = {name: given[name] for name in FORMAT_OPTIONS if given[name]}
        texts = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
        return cls(path=path, options=texts, **{name: given[name] for name in given if name not in FORMAT_OPTIONS})

    @property
    def source(self) -> StatementSource:
        return StatementSource(path=self.path, max_file_megabytes=self.max_file_megabytes)

    def detect_format(self) -> str:
        """Return the format that was named, or else what the file looks like."""
        try:
            return self.format_name or sniff_format(self.source).name
        except ReadError as error:
            raise _as_input(error) from error

    def read(self) -> Sequence[Statement]:
        """Return the newest statement of each account, or of the one that was asked for.

        Raises:
            InvalidInputError: the file is not what it should be; another try cannot help.
            Incomplete, Unavailable: another try may.
        """
        try:
            statements = read_statements(self.source, format_name=self.detect_format(), options=self.options)
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
