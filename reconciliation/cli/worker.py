"""`reconcile worker`, `beat` and `celery`: our Celery application, wherever it is installed."""

import os

import click

from reconciliation.settings import load_settings
from reconciliation.support.worker_files import celery_command

_ALL_TO_CELERY = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_ALL_TO_CELERY)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def worker(options: tuple[str, ...]) -> None:
    """Run a worker. Takes the options of `celery worker`, such as --concurrency 4; --help lists them."""
    _become_celery("worker", *options)


@click.command(context_settings=_ALL_TO_CELERY)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def beat(options: tuple[str, ...]) -> None:
    """Run a beat, which sends the ticks of the schedule. Takes the options of `celery beat`; --help lists them."""
    # Any number of beats may run on one machine.
    _become_celery("beat", "--pidfile=", *options)


@click.command(context_settings=_ALL_TO_CELERY)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def celery(command: tuple[str, ...]) -> None:
    """Run any other command of Celery on our application, such as `reconcile celery inspect active`."""
    _become_celery(*command)


def _become_celery(*arguments: str) -> None:
    load_settings()  # a setting that cannot work is a sentence here, and a traceback in Celery
    program = celery_command(arguments)
    os.execv(program[0], program)  # noqa: S606 - becoming the program is the purpose: signals reach it
