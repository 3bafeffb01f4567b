"""`reconcile breaks ack|assign|snooze|accept|resolve|note`: what a person does, recorded with the person's name."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import Moment, json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.states import BreakEventKind
from reconciliation.errors import InvalidInputError
from reconciliation.messages.break_events import break_payload


def _action_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of every action."""
    for option in (
        json_option("the changed break"),
        click.option("--note", "note", metavar="TEXT", help="A note that says why. The history keeps it."),
        click.option("--by", "actor", metavar="NAME", help="Your name. Default: RECONCILIATION_ACTOR."),
        click.argument("break_id"),
    ):
        command = option(command)
    return command


@click.command("ack")
@_action_options
def acknowledge(**options: Any) -> None:
    """Acknowledge a break and assign it to yourself."""
    _act(BreakEventKind.ACKNOWLEDGED, **options)


@click.command()
@_action_options
@click.argument("assignee")
def assign(**options: Any) -> None:
    """Assign a break to a person. ASSIGNEE is the person's name."""
    _act(BreakEventKind.ASSIGNED, **options)


@click.command()
@_action_options
@click.option(
    "--until",
    required=True,
    type=Moment(),
    help="The time when the break becomes open again: a span such as 8h, or a date and time in UTC.",
)
def snooze(**options: Any) -> None:
    """Mute a break until a time, or until its amount changes."""
    _act(BreakEventKind.SNOOZED, **options)


@click.command()
@_action_options
@click.option(
    "--until",
    type=Moment(),
    help="The time when the acceptance ends: a span such as 30d, or a date and time in UTC. Default: no end.",
)
@click.option(
    "--limit",
    "change_limit",
    metavar="AMOUNT",
    help="The acceptance ends when the difference changes by more than this amount.",
)
def accept(**options: Any) -> None:
    """Accept a break as known. A note (--note) must say why. The acceptance ends by time or by a change of amount."""
    limit = options.pop("change_limit")
    _act(BreakEventKind.ACCEPTED, change_limit=None if limit is None else _number(limit), **options)


@click.command()
@_action_options
def resolve(**options: Any) -> None:
    """Close a break by hand. The next run that still finds the difference opens the break again."""
    _act(BreakEventKind.RESOLVED, **options)


@click.command("note")
@_action_options
def note(**options: Any) -> None:
    """Add a note (--note) to the history of a break."""
    _act(BreakEventKind.NOTED, **options)


#: One command for each action, in the order of `reconcile breaks --help`.
ACTIONS = (acknowledge, assign, snooze, accept, resolve, note)


def _act(kind: BreakEventKind, *, break_id: str, actor: str | None, as_json: bool, **values: Any) -> None:
    with open_desk() as desk:
        name = actor or desk.settings.actor or ""
        action = BreakAction(kind=kind, actor=name, at=datetime.now(UTC), **values)
        case = desk.break_work.act(break_id, action)
    if as_json:
        print_json(break_payload(case))
    else:
        print_line(f"{kind.value}: {case.key}, now {case.state.value}")


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInputError(f"--limit {text!r} is not a number") from None
