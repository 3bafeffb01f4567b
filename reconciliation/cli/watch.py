"""`reconcile watch`: findings and results as they are published."""

import sys
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.cli.run_view import OUTCOME_STYLES, finding_line, sentence
from reconciliation.errors import CoordinationError
from reconciliation.messages.break_events import BREAK_CHANNEL, event_sentence
from reconciliation.messages.runs import DISCREPANCY_CHANNEL, RESULT_CHANNEL
from reconciliation.ports.publishing import ChannelListener, ChannelMessage

LISTEN_SECONDS = 1.0
RECONNECT_WAIT_SECONDS = 1.0
SEVERITY_STYLES: Mapping[str, str] = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


@click.command()
@click.option("--account", help="Show only this account.")
@click.option("--findings-only", is_flag=True, help="Show findings, and no line for each run.")
@click.option("--breaks", "only_breaks", is_flag=True, help="Show events of breaks, in place of findings and runs.")
@json_option("one object a line, with `channel` and `payload`,")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help="End after this number of runs, or of events with --breaks. Default: never.",
)
def watch(account: str | None, *, findings_only: bool, only_breaks: bool, as_json: bool, count: int | None) -> None:
    """Show findings and results live, until Ctrl-C.

    If the connection to Redis is lost, the command says so on stderr and connects again. It does not show what was
    published meanwhile. A reader that must not miss an event reads the stream `reconciliation:events`.
    """
    channels = (BREAK_CHANNEL,) if only_breaks else (RESULT_CHANNEL, DISCREPANCY_CHANNEL)
    runs = 0
    with open_desk() as desk, closing(desk.channel_listener(channels)) as listener:
        _connect(listener)
        while count is None or runs < count:
            message = _next(listener)
            if message is None or (account is not None and message.payload.get("account_id") != account):
                continue
            is_run = message.channel == RESULT_CHANNEL
            runs += is_run or only_breaks
            if not (is_run and findings_only):
                _show(message, as_json)


def _next(listener: ChannelListener) -> ChannelMessage | None:
    try:
        return listener.listen(LISTEN_SECONDS)
    except CoordinationError as error:
        _say(f"{error}; trying again")
        _connect(listener)
        return None


def _connect(listener: ChannelListener) -> None:
    """Subscribe; while Redis is away, say so once and try again for ever."""
    said = False
    while True:
        try:
            listener.reconnect()
        except CoordinationError as error:
            if not said:
                _say(f"{error}; trying again until it can")
                said = True
            time.sleep(RECONNECT_WAIT_SECONDS)
        else:
            _say("Listening")
            return


def _say(text: str) -> None:
    print_line(text, stream=sys.stderr)


def _show(message: ChannelMessage, as_json: bool) -> None:
    payload: Mapping[str, Any] = message.payload
    if as_json:
        print_json({"channel": message.channel, "payload": payload})
    elif message.channel == RESULT_CHANNEL:
        print_line(f"{payload['timestamp']} {sentence(payload)}", style=OUTCOME_STYLES.get(payload["outcome"]))
    elif message.channel == BREAK_CHANNEL:
        severity = payload["break"]["severity"] if "break" in payload else "warning"
        print_line(f"{payload['at']} {event_sentence(payload)}", style=SEVERITY_STYLES.get(severity))
    else:
        print_line(f"{payload['timestamp']} {finding_line(payload)}", style=SEVERITY_STYLES.get(payload["severity"]))
