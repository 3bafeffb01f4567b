"""`reconcile check`: whether everything is there that a run needs, each part with a verdict and a remedy."""

import click

from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_table
from reconciliation.operations.health import Verdict, check_everything
from reconciliation.settings import load_settings


@click.command()
@click.option("--account", metavar="ID", help="Read both sides of this account, too.")
@click.option("--no-worker", is_flag=True, help="Do not check that a worker is running.")
@json_option("a list of verdicts")
def check(account: str | None, no_worker: bool, as_json: bool) -> None:
    """Check settings, database, migrations, Redis, broker, local book and worker.

    Each part gets a verdict and, if something is wrong, a remedy. Exit status 1 if a check fails.
    """
    findings = check_everything(load_settings(), account_id=account, ask_worker=not no_worker)
    if as_json:
        print_json(
            [{"part": f.part, "verdict": f.verdict.value, "found": f.found, "remedy": f.remedy} for f in findings]
        )
    else:
        rows = [(f.part, f.verdict.value, f.found, f.remedy) for f in findings]
        print_table(("part", "verdict", "found", "remedy"), rows)
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise click.exceptions.Exit(ExitStatus.DISCREPANCIES)
