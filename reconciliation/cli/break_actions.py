"""`reconcile breaks ack|assign|snooze|accept|resolve|note`: what a person does, under a name that is kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from reconciliation.adapters.database.breaks import SqlBreaks
from reconciliation.cli.open_parts import Moment, open_parts, publish_now
from reconciliation.cli.output import print_json, print_line
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.errors import InvalidInputError
from reconciliation.messages.break_events import break_payload


def _action_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what every action takes: the break, who it is, a note, JSON."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the changed break as JSON."),
        click.option("--note", "note", help="Why; kept in the history."),
        click.option("--by", "actor", help="Your name; default: RECONCILIATION_ACTOR."),
        click.argument("break_id"),
    ):
        command = option(command)
    return command


@click.command("ack")
@_action_options
def acknowledge(**options: Any) -> None:
    """Say that you have it: the break is acknowledged and assigned to you."""
    _act(BreakEventKind.ACKNOWLEDGED, **options)


@click.command()
@_action_options
@click.argument("assignee")
def assign(**options: Any) -> None:
    """Hand a break to ASSIGNEE."""
    _act(BreakEventKind.ASSIGNED, **options)


@click.command()
@_action_options
@click.option("--until", required=True, type=Moment(), help="When it wakes: a span such as 8h, or a time (UTC).")
def snooze(**options: Any) -> None:
    """Be quiet about a break until a time, or until its amount moves."""
    _act(BreakEventKind.SNOOZED, **options)


@click.command()
@_action_options
@click.option("--until", type=Moment(), help="When the acceptance expires: a span such as 30d, or a time (UTC).")
@click.option("--limit", "change_limit", help="Holds while the difference moves by no more than this.")
def accept(**options: Any) -> None:
    """Tolerate a break, with a note that says why, until it expires or its amount moves."""
    limit = options.pop("change_limit")
    _act(BreakEventKind.ACCEPTED, change_limit=None if limit is None else _number(limit), **options)


@click.command()
@_action_options
def resolve(**options: Any) -> None:
    """Close a break by hand. A run that still sees it opens it again."""
    _act(BreakEventKind.RESOLVED, **options)


@click.command("note")
@_action_options
def note(**options: Any) -> None:
    """Add a note (--note) to a break's history."""
    _act(BreakEventKind.NOTED, **options)


def _act(kind: BreakEventKind, *, break_id: str, actor: str | None, as_json: bool, **values: Any) -> None:
    with open_parts() as parts:
        name = actor or parts.settings.actor
        if not name:
            raise InvalidInputError("every change of a break needs a name: give --by, or set RECONCILIATION_ACTOR")
        action = BreakAction(kind=kind, actor=name, at=datetime.now(UTC), **values)
        case = SqlBreaks(parts.stores.engine).act(break_id, action)
        publish_now(parts, case.key.account_id)
    if as_json:
        print_json(break_payload(case))
    else:
        print_line(f"{kind.value}: {case.key}, now {case.state.value}")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInputError(f"--limit {text!r} is not a number") from None
