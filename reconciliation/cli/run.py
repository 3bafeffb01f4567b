"""`reconcile run`: one account, now, in this process or through a worker."""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import click

from reconciliation.bootstrap.desk import Desk, open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json
from reconciliation.cli.run_view import EXIT_STATUS, print_run
from reconciliation.client.request_run import EnqueuedRun, request_run
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import InvalidInputError, StorageError
from reconciliation.messages.run_requests import on_demand
from reconciliation.messages.runs import DISCREPANCY_CHANNEL, messages


@click.command()
@click.argument("account")
@click.option("--enqueue", is_flag=True, help="Let a worker make the run, and wait for its result.")
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="With --enqueue: how long the command waits. After that, the exit status is 3.",
)
@click.option("--context", metavar="JSON", help="A JSON object that the result repeats as its context.")
@json_option("one object with `result`, `discrepancies` and `not_applied`")
def run(account: str, enqueue: bool, timeout_seconds: float, context: str | None, as_json: bool) -> None:
    """Reconcile ACCOUNT now. The result is recorded and published, as for any run.

    Exit status: 0 clean, 1 discrepancies, 3 incomplete.
    """
    request = on_demand(account, _parsed(context), str(uuid4()))
    with open_desk() as desk:
        made = request_run(desk.parts, request, timeout_seconds) if enqueue else _here(desk, request)
        not_applied = _why_not_applied(desk, request.run_id)
    if as_json:
        print_json({"result": made.result, "discrepancies": made.discrepancies, "not_applied": not_applied})
    else:
        print_run(made.result, made.discrepancies, not_applied)
    raise click.exceptions.Exit(EXIT_STATUS[made.result["outcome"]])


def _parsed(context: str | None) -> object:
    if context is None:
        return None
    try:
        return json.loads(context)
    except ValueError as error:
        raise InvalidInputError(f"--context is not JSON: {error}") from error


def _here(desk: Desk, request: RunRequest) -> EnqueuedRun:
    said: list[tuple[str, dict[str, Any]]] = [
        (channel, json.loads(payload)) for channel, payload in messages(desk.reconcile(request))
    ]
    found = tuple(payload for channel, payload in said if channel == DISCREPANCY_CHANNEL)
    return EnqueuedRun(result=said[-1][1], discrepancies=found)


def _why_not_applied(desk: Desk, run_id: UUID) -> str | None:
    with suppress(StorageError):  # the run is made, and its result is known
        return desk.runs.why_not_applied(run_id)
    return None
