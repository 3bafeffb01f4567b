"""The options of a statement file, which `compare` and `show` share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciliation.bootstrap.files import (
    DEFAULT_MAX_FILE_MEGABYTES,
    FORMAT_OPTIONS,
    FORMATS,
    FormatOption,
    StatementFile,
    titles,
)

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


def _format_option(option: FormatOption) -> Callable[[Command], Command]:
    """Return an option of a format as one of the command line: the same name, the same values."""
    kind = click.Choice(option.choices) if option.choices else FILE if option.is_file else None
    flag, text = f"--{option.name.replace('_', '-')}", f"{titles(option)}: {option.help}"
    return click.option(flag, option.name, type=kind, is_flag=option.is_flag, help=text)


_OPTIONS = (
    click.option(
        "--format",
        "format_name",
        type=click.Choice([*FORMATS]),
        help="The format of the statement. Default: the format that the file looks like.",
    ),
    *(_format_option(option) for option in FORMAT_OPTIONS.values()),
    click.option(
        "--account",
        "account_ids",
        metavar="ID",
        multiple=True,
        help="Read only this account of the file. You may repeat the option.",
    ),
    click.option(
        "--max-file-megabytes",
        type=click.IntRange(min=1),
        default=DEFAULT_MAX_FILE_MEGABYTES,
        show_default=True,
        help="The largest size of a file that is read, in megabytes.",
    ),
)


def statement_options(command: Command) -> Command:
    """Add the options that say how a statement file is read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def statement_file(path: Path, given: Mapping[str, Any]) -> StatementFile:
    """Return the file with what `statement_options` added to a command's parameters."""
    options = {name: given[name] for name in FORMAT_OPTIONS if given.get(name)}
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    rest = {name: value for name, value in given.items() if name not in FORMAT_OPTIONS}
    return StatementFile(path=path, options=texts, **rest)
