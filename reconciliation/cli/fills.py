"""`reconcile fills`: report fills, take them from a stream, and see which windows are open."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TextIO

import click

from reconciliation.adapters.redis.fill_status import FillStatus, read_fill_status
from reconciliation.adapters.redis.fill_stream import FillStream
from reconciliation.bootstrap import Bootstrap
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
    """Report fills, take them from a Redis Stream, see what waits for its run."""


@fills.command()
@click.argument("account_id", required=False)
@click.option("--fill-id", help="The fill's own id.")
@click.option("--order-id", help="The order that was filled.")
@click.option("--symbol", help="What was traded.")
@click.option("--side", type=click.Choice([side.value for side in OrderSide]))
@click.option("--quantity", help="As a decimal number.")
@click.option("--price", help="As a decimal number.")
@click.option("--event", type=click.Choice([event.value for event in FillEvent]), help="By default a fill.")
@click.option(
    "--file", "lines", type=click.File(encoding="utf-8"), help="JSON lines instead, one fill each; - is stdin."
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def send(account_id: str | None, lines: TextIO | None, as_json: bool, **fields: str | None) -> None:
    """Report one fill of ACCOUNT_ID, or those of a file.

    Exit status 1 if any was refused, because its account is not registered.
    """
    if (account_id is None) == (lines is None):
        raise click.UsageError("name an ACCOUNT_ID or a --file, and not both")
    counts = dict.fromkeys(FillOutcome, 0)
    with closing(FillReporter(load_settings())) as reporter:
        batches = _batches(lines) if lines else [[(str(account_id), _said(fields))]]
        for batch in batches:
            for outcome in reporter.enqueue_fills(batch):
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
@click.option("--stream", help="The stream to read; by default RECONCILIATION_FILL_STREAM.")
@click.option("--group", default="reconciliation", show_default=True, help="The consumer group.")
@click.option("--consumer", help="This consumer's name in the group; by default host and process id.")
@click.option(
    "--take-over-after-seconds",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Take entries that another consumer got so long ago and never acknowledged.",
)
@click.option("--until-empty", is_flag=True, help="End when the stream has been read, instead of waiting for more.")
def consume(
    stream: str | None, group: str, consumer: str | None, take_over_after_seconds: float, until_empty: bool
) -> None:
    """Take fills from a Redis Stream. An entry is acknowledged once it is noted; a bad one is set aside.

    Ends in good order on SIGTERM and SIGINT. Any number of consumers may share a group.
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with closing(Bootstrap(settings)) as parts:
        source = FillStream(
            parts.coordination.space,
            stream=stream or settings.fill_stream,
            group=group,
            consumer=consumer or f"{socket.gethostname()}-{os.getpid()}",
        )
        take_over_after_ms = round(take_over_after_seconds * 1000)
        taker = FillConsumer(source, parts.fill_recorder, take_over_after_ms=take_over_after_ms)
        if until_empty:
            taker.drain()
        else:
            print_line(f"consuming {stream or settings.fill_stream} at {settings.redis_address}")
            taker.run(stopping.is_set, stopping.wait)
    done = taker.consumed
    print_line(f"{done.recorded} noted, {done.ignored} ignored, {done.refused} refused (see {source.dead_letters})")


@fills.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def status(as_json: bool) -> None:
    """Show how many windows are open, overdue and leased, the oldest of them, and the counters."""
    settings = load_settings()
    with closing(Bootstrap(settings)) as parts:
        found = read_fill_status(parts.coordination.space, parts.coordination.fill_windows)
    if as_json:
        print_json(found.as_json())
        return
    print_table(("fill windows", ""), _rows(found))
    print_line()
    print_table(("since Redis has data", ""), list(found.counters.items()))


def _rows(found: FillStatus) -> list[tuple[str, Any]]:
    return [
        ("open", found.windows_open),
        ("waiting", found.waiting),
        ("running", found.running),
        ("overdue", found.overdue),
        ("leases held", found.leases_held),
        ("fills pending", found.fills_pending),
        ("oldest fill", found.oldest_fill_at),
        ("oldest account", found.oldest_account_id),
    ]
