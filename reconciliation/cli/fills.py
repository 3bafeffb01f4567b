"""`reconcile fills`: report fills, read them from a stream, and show which windows are open."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TextIO

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.client.report_fills import FillReporter
from reconciliation.domain.model.models import OrderSide
from reconciliation.errors import InvalidInputError
from reconciliation.messages.fills import FillEvent, parse_fill_message
from reconciliation.ports.fill_windows import FillOutcome
from reconciliation.settings import load_settings
from reconciliation.support.logs import configure_logging
from reconciliation.usecases.consume_fill_stream import FillConsumer

#: Lines of a file that are reported in one round trip.
LINES_PER_CALL = 1_000


@click.group()
def fills() -> None:
    """Report fills, read fills from a Redis Stream, and show which accounts wait for a post-fill run."""


@fills.command()
@click.argument("account_id", required=False)
@click.option("--fill-id", help="The id of the fill.")
@click.option("--order-id", help="The id of the order.")
@click.option("--symbol", help="The traded symbol.")
@click.option("--side", type=click.Choice([side.value for side in OrderSide]), help="The side of the order.")
@click.option("--quantity", metavar="NUMBER", help="The filled quantity.")
@click.option("--price", metavar="NUMBER", help="The price of the fill.")
@click.option(
    "--event",
    type=click.Choice([event.value for event in FillEvent]),
    help="What happened to the order. Default: fill.",
)
@click.option(
    "--file",
    "lines",
    type=click.File(encoding="utf-8"),
    help="A file of JSON lines, one fill each, in place of the options. - reads standard input.",
)
@json_option("the number of fills by outcome")
def send(account_id: str | None, lines: TextIO | None, as_json: bool, **fields: str | None) -> None:
    """Report one fill of ACCOUNT_ID, or the fills in a file.

    Exit status 1 if a fill was refused because its account is not registered.
    """
    if (account_id is None) == (lines is None):
        raise click.UsageError("name an ACCOUNT_ID or a --file, and not both")
    counts = dict.fromkeys(FillOutcome, 0)
    with closing(FillReporter(load_settings())) as reporter:
        batches = _batches(lines) if lines else [[(str(account_id), _said(fields))]]
        for batch in batches:
            for outcome in reporter.report_fills(batch):
                counts[outcome] += 1
    if as_json:
        print_json({outcome.value: count for outcome, count in counts.items()})
    else:
        print_line(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()))
    if counts[FillOutcome.REFUSED]:
        raise click.exceptions.Exit(1)


def _said(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}


def _batches(lines: TextIO) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Yield fills, each checked with its line number before any of its batch is reported."""
    batch: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            payload = json.loads(line)
            account_id = parse_fill_message({"schema": 1, **payload}).account_id
        except (TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, InvalidInputError) else "is not a JSON object"
            raise InvalidInputError(f"{getattr(lines, 'name', 'the file')}, line {number}: {reason}") from None
        batch.append((account_id, payload))
        if len(batch) == LINES_PER_CALL:
            yield batch
            batch = []
    yield batch


@fills.command()
@click.option("--stream", help="The stream to read. Default: RECONCILIATION_FILL_STREAM.")
@click.option("--group", default="reconciliation", show_default=True, help="The name of the consumer group.")
@click.option("--consumer", help="The name of this consumer in the group. Default: host name and process id.")
@click.option(
    "--take-over-after-seconds",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Take over entries that another consumer has not acknowledged for this time.",
)
@click.option("--until-empty", is_flag=True, help="End when the stream is empty. Default: wait for more entries.")
def consume(
    stream: str | None, group: str, consumer: str | None, take_over_after_seconds: float, until_empty: bool
) -> None:
    """Read fills from a Redis Stream.

    An entry is acknowledged after its fill is recorded. An entry that cannot be read goes to the dead-letter stream.
    Any number of consumers may share a group. SIGTERM and SIGINT end the command after the present entries.
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with open_desk() as desk:
        name = consumer or f"{socket.gethostname()}-{os.getpid()}"
        source = desk.fill_stream(stream or settings.fill_stream, group=group, consumer=name)
        take_over_after_ms = round(take_over_after_seconds * 1000)
        taker = FillConsumer(source, desk.parts.fill_recorder, take_over_after_ms=take_over_after_ms)
        if until_empty:
            taker.drain()
        else:
            print_line(f"consuming {stream or settings.fill_stream} at {settings.redis_address}")
            taker.run(stopping.is_set, stopping.wait)
    done = taker.consumed
    print_line(f"{done.recorded} recorded, {done.ignored} ignored, {done.refused} refused (see {source.dead_letters})")


@fills.command()
@json_option("the whole status")
def status(as_json: bool) -> None:
    """Show the open fill windows: how many wait, run and are overdue, the oldest one, and counters since the start."""
    with open_desk() as desk:
        found = desk.fill_status()
    if as_json:
        print_json(found.as_json())
        return
    print_table(("fill windows", ""), _rows(found.as_json()))
    print_line()
    print_table(("counted since Redis has data", ""), list(found.counters.items()))


def _rows(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name.replace("windows_", "").replace("_", " "), value) for name, value in found.items() if name != "counters"
    ]
