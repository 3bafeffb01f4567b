"""Options and kinds of values that several commands share."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import click

from reconciliation.cli.output import print_line
from reconciliation.errors import InvalidInputError
from reconciliation.usecases.filters import Field, read_moment, read_span, split_words

Command = TypeVar("Command", bound=Callable[..., Any])

ALL = "all"


class Span(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A length of time such as 90d, 8h or 30m, as a timedelta."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return read_span(str(value))
        except InvalidInputError as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # the same
    """A point in time: ISO 8601 (UTC where no offset is given), or a span from now such as 8h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return read_moment(str(value), lambda span: datetime.now(UTC) + span)
        except InvalidInputError as error:
            self.fail(str(error), param, ctx)


class Day(click.ParamType):  # type: ignore[type-arg]  # the same
    """A day such as 2026-01-31."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2026-01-31", param, ctx)


class Limit(click.ParamType):  # type: ignore[type-arg]  # the same
    """A number of rows, or `all`; as None where there is no limit."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        if text in (ALL, "0"):
            return ALL
        if not (text.isascii() and text.isdigit()):
            self.fail(f"{text!r} is not a number of rows: write a number, or all", param, ctx)
        return int(text)


def json_option(what: str) -> Callable[[Command], Command]:
    """Add `--json`, whose help says what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def csv_option() -> Callable[[Command], Command]:
    """Add `--csv`."""
    help_text = "Print CSV. Text that a spreadsheet would take for a formula begins with a '."
    return click.option("--csv", "as_csv", is_flag=True, help=help_text)


def limit_option(rows: int) -> Callable[[Command], Command]:
    """Add `--limit`."""
    help_text = "The largest number of rows to print. `all` or 0 prints every row."
    return click.option("--limit", type=Limit(), metavar="ROWS|all", default=rows, show_default=True, help=help_text)


def filter_options(fields: Mapping[str, Field]) -> Callable[[Command], Command]:
    """Add an option for each field of a filter, and `--filter` for all of them in one text."""

    def add(command: Command) -> Command:
        text = "The same filter in one text: FIELD=VALUE, with blanks between. Fields: " + ", ".join(fields) + "."
        command = click.option("--filter", "filter_text", metavar="TEXT", help=text)(command)
        for name, field in reversed(list(fields.items())):
            command = _option(name, field)(command)
        return command

    return add


def _option(name: str, field: Field) -> Callable[[Command], Command]:
    flag = "--" + name.replace("_", "-")
    if field.is_flag:
        flags = f"{flag}/--{field.opposite}" if field.opposite else flag
        return click.option(flags, name, is_flag=True, default=None, help=field.help)
    shown = "|".join(field.choices) if field.choices else field.shown
    more = " You may repeat the option." if field.is_list else ""
    return click.option(flag, name, multiple=field.is_list, metavar=shown, help=field.help + more)


def filter_words(fields: Mapping[str, Field], options: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the options of a filter out of a command's options, and return them as pairs of field and value."""
    words = split_words(options.pop("filter_text") or "")
    for name, field in fields.items():
        given = options.pop(name)
        if field.is_flag:
            words += [] if given is None else [(name, "yes" if given else "no")]
        else:
            words += [(name, value) for value in (given if field.is_list else [given]) if value is not None]
    return words


def rows_of(limit: int | str) -> int | None:
    """Return the number of rows that `--limit` allows; None: all."""
    return limit if isinstance(limit, int) else None


def say_truncated(shown: int, what: str, total: int | None = None) -> None:
    """Say on stderr that a list was cut."""
    of = f" of {total}" if total is not None else ""
    print_line(f"Only {shown}{of} {what} are shown: use a filter, or --limit all.", stream=sys.stderr)
