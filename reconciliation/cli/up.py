"""`reconcile up`: the whole system on one machine, in the foreground."""

import shlex
import signal
import sys
import threading
from pathlib import Path

import click

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
    help="Where data and logs are kept.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Of the embedded Redis, on 127.0.0.1; 0 takes a free one.",
)
@click.option("--concurrency", type=click.IntRange(1), default=2, show_default=True, help="Runs at once.")
@click.option("--json", "as_json", is_flag=True, help="Say on one line of JSON when and where it can be used.")
def up(state_dir: Path, port: int, concurrency: int, as_json: bool) -> None:
    """Start Redis, worker and beat here, migrate the database, and run until Ctrl-C or SIGTERM.

    For one machine: nothing has to be installed or started before. A Redis or database that the settings name is used
    instead of the embedded one. Nothing that it starts outlives it.
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
        print_line("Stopping: the worker ends the runs that it has begun", stream=sys.stderr)


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
    print_line("Ctrl-C stops it.")
