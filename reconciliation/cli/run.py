"""`reconcile run`: one account, now, in this process or through a worker."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import click

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.redis.listener import ChannelListener
from reconciliation.bootstrap import Bootstrap
from reconciliation.cli.output import print_json
from reconciliation.cli.run_view import EXIT_STATUS, print_run
from reconciliation.client.request_run import EnqueuedRun, run_through_worker
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import InvalidInputError
from reconciliation.messages.run_requests import on_demand
from reconciliation.messages.runs import DISCREPANCY_CHANNEL, RESULT_CHANNEL, messages
from reconciliation.settings import Settings, load_settings
from reconciliation.usecases.run_on_demand import MESSAGE_MS


@click.command()
@click.argument("account")
@click.option("--enqueue", is_flag=True, help="Let a worker make the run, and wait for its result.")
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="With --enqueue: how long to wait. Afterwards exit status 3.",
)
@click.option("--context", help="A JSON object that is handed through to the result.")
@click.option("--json", "as_json", is_flag=True, help="Print an object with `result` and `discrepancies`.")
def run(account: str, enqueue: bool, timeout_seconds: float, context: str | None, as_json: bool) -> None:
    """Reconcile ACCOUNT now. The result is recorded and published, as that of any run."""
    settings = load_settings()
    request = on_demand(account, _parsed(context), str(uuid4()))
    made = _through_worker(settings, request, timeout_seconds) if enqueue else _here(settings, request)
    if as_json:
        print_json({"result": made.result, "discrepancies": made.discrepancies})
    else:
        print_run(made.result, made.discrepancies)
    raise click.exceptions.Exit(EXIT_STATUS[made.result["outcome"]])


def _parsed(context: str | None) -> object:
    if context is None:
        return None
    try:
        return json.loads(context)
    except ValueError as error:
        raise InvalidInputError(f"--context is not JSON: {error}") from error


def _through_worker(settings: Settings, request: RunRequest, timeout_seconds: float) -> EnqueuedRun:
    parts, sender = Bootstrap(settings), TaskSender(settings)
    try:
        channels = (RESULT_CHANNEL, DISCREPANCY_CHANNEL)
        with ChannelListener(parts.coordination.space, channels) as listener:
            # Noted first: the message is only a hint that brings a worker sooner.
            parts.coordination.due_queue.enqueue([request], delay_ms=MESSAGE_MS)
            return run_through_worker(sender, listener, request, timeout_seconds)
    finally:
        sender.close()
        parts.close()


def _here(settings: Settings, request: RunRequest) -> EnqueuedRun:
    parts = Bootstrap(settings)
    try:
        result = asyncio.run(_reconcile(parts, request))
    finally:
        parts.close()
    said: list[tuple[str, dict[str, Any]]] = [(channel, json.loads(payload)) for channel, payload in messages(result)]
    found = tuple(payload for channel, payload in said if channel == DISCREPANCY_CHANNEL)
    return EnqueuedRun(result=said[-1][1], discrepancies=found)


async def _reconcile(parts: Bootstrap, request: RunRequest) -> ReconciliationResult:
    try:
        [result] = await parts.reconciler.reconcile([request])
    finally:
        await parts.aclose()
    return result
