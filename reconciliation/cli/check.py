"""`reconcile check`: whether everything is there that a run needs, each part with a verdict and a remedy."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.options import Span, json_option
from reconciliation.cli.output import print_json, print_table
from reconciliation.operations.health import check_everything
from reconciliation.operations.verdicts import Finding, Verdict
from reconciliation.settings import load_settings

fail_if_older_option = click.option(
    "--fail-if-older",
    type=Span(),
    metavar="SPAN",
    help="Fail if the last complete run of an enabled account is older, such as 15m. Default: two of its intervals.",
)


@click.command()
@click.option("--account", metavar="ID", help="Read both sides of this account, too, over its own connection.")
@click.option("--no-worker", is_flag=True, help="Do not check workers, beat and their work: they are not started yet.")
@fail_if_older_option
@json_option("a list of verdicts")
def check(account: str | None, no_worker: bool, fail_if_older: timedelta | None, as_json: bool) -> None:
    """Check that the system can work, and that it does: servers, books, beat, workers, events, accounts, clocks.

    Each part gets a verdict and, if something is wrong, a remedy. Exit status 1 if a check fails.
    """
    settings, ask_worker = load_settings(), not no_worker
    findings = check_everything(settings, account_id=account, ask_worker=ask_worker, fail_if_older=fail_if_older)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_findings(findings)
    exit_if_failed(findings)


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a table of verdicts."""
    print_table(
        ("part", "verdict", "found", "remedy"), [(f.part, f.verdict.value, f.found, f.remedy) for f in findings]
    )


def exit_if_failed(findings: Sequence[Finding]) -> None:
    """End with exit status 1 if a part failed."""
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise click.exceptions.Exit(ExitStatus.DISCREPANCIES)
