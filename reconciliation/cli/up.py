"""`reconcile up`: the whole system on one machine, in the foreground."""

import shlex
import signal
import sys
import threading
from pathlib import Path

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.no_broker import warn_without_broker
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.operations.local_stack import LocalStack
from reconciliation.settings import load_settings

START_TIMEOUT_SECONDS = 90.0
#: Between two looks at whether worker and beat are still there.
WATCH_INTERVAL_SECONDS = 1.0
DEFAULT_PORT = 6390


@click.command()
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".reconcile"),
    show_default=True,
    help="The directory for data and logs.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="The port of the embedded Redis on 127.0.0.1. 0 means any free port.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="The number of tasks that the worker does at once.",
)
@json_option("one line when everything is ready: one object with `environment` and `pids`,")
def up(state_dir: Path, port: int, concurrency: int, as_json: bool) -> None:
    """Run the whole system on this machine: Redis, database, worker and beat. Ctrl-C or SIGTERM stops it.

    You need not install or start anything before. If the settings name a Redis or a database, the command uses it in
    place of its own. When the command ends, everything that it started ends too.
    """
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    stack = LocalStack(load_settings(), state_dir=state_dir, port=port or None, concurrency=concurrency)
    with stack:
        stack.wait_ready(START_TIMEOUT_SECONDS, ending)
        if not ending.is_set():
            _say_ready(stack, as_json)
        while not ending.wait(WATCH_INTERVAL_SECONDS):
            stack.require_alive()
        print_line("Stopping: the worker finishes the runs that it has started", stream=sys.stderr)


def _say_ready(stack: LocalStack, as_json: bool) -> None:
    if as_json:
        print_json({"environment": stack.provided, "pids": {c.name: c.process.pid for c in stack.children}})
        return
    print_line(f"Redis     {stack.settings.redis_address}")
    print_line(f"Database  {stack.settings.database_address}")
    for child in stack.children:
        print_line(f"{child.name.capitalize():<9} runs, log {child.log_path}")
    if stack.provided:
        print_line("To use it from another terminal:")
    for name, value in stack.provided.items():
        print_line(f"  export {name}={shlex.quote(value)}")
    with open_desk(stack.settings) as desk:
        warn_without_broker(desk)
    print_line("Ctrl-C stops it.")
