"""Where errors end: a sentence on stderr and an exit status that a script can trust."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import click

from reconciliation.errors import CoordinationError, ReadError, ReconciliationError, StorageError


class ExitStatus(IntEnum):
    """What `reconcile` says to its caller when it ends."""

    OK = 0
    DISCREPANCIES = 1  # found, or a check failed
    BAD_INPUT = 2  # wrong usage, input or configuration
    INCOMPLETE = 3  # a side could not be read completely; nothing was compared
    UNREACHABLE = 4  # Redis or the database
    BUG = 70  # an unexpected error: never 1, which means a finding
    INTERRUPTED = 130  # Ctrl-C
    BROKEN_PIPE = 141  # the reader of our output has left


def as_click_error(error: ReconciliationError) -> click.ClickException:
    """Return `error` as click shows errors: one sentence on stderr, and our exit status."""
    shown = click.ClickException(str(error))
    shown.exit_code = exit_status_of(error)  # type: ignore[misc]  # click reads it from the instance
    return shown


def exit_status_of(error: ReconciliationError) -> ExitStatus:
    """Return the exit status, which shows a script what kind of remedy is needed."""
    if isinstance(error, ReadError):
        return ExitStatus.INCOMPLETE
    if isinstance(error, (CoordinationError, StorageError)):
        return ExitStatus.UNREACHABLE
    return ExitStatus.BAD_INPUT


@contextmanager
def error_boundary() -> Iterator[None]:
    """Turn every way in which a command can fail into a sentence and an exit status."""
    try:
        yield
    except ReconciliationError as error:
        raise as_click_error(error) from error
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.BROKEN_PIPE)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception:  # noqa: BLE001 - the last border: a bug must not exit with 1, the status of a finding
        traceback.print_exc()
        click.echo("Error: this is a bug in reconcile; please report it with the lines above.", err=True)
        sys.exit(ExitStatus.BUG)
