"""`reconcile report`: reports over all breaks."""

from datetime import UTC, datetime
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import filter_options, filter_words, json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.ports.breaks import AGE_GROUPS
from reconciliation.usecases.filters import BREAK_FIELDS, break_filter

_AGES = [name for name, _ in AGE_GROUPS]


@click.group()
def report() -> None:
    """Print reports over all breaks."""


@report.command("ageing")
@filter_options(BREAK_FIELDS)
@json_option("one object with a list `ageing`")
def ageing_(as_json: bool, **options: Any) -> None:
    """Count the open breaks by account, type, severity and days since the first sighting.

    Suspected and resolved breaks are not counted.
    """
    now = datetime.now(UTC)
    with open_desk() as desk:
        lines = desk.ageing.count(break_filter(filter_words(BREAK_FIELDS, options), now), now)
    if as_json:
        payload = [
            {
                "account_id": line.account_id,
                "type": line.type,
                "severity": line.severity,
                "total": line.total,
                "buckets": dict(zip(_AGES, line.counts, strict=True)),
            }
            for line in lines
        ]
        print_json({"ageing": payload})
        return
    print_table(
        ("account", "type", "severity", *_AGES, "total"),
        [(line.account_id, line.type, line.severity, *line.counts, line.total) for line in lines],
    )
    print_line(f"{sum(line.total for line in lines)} breaks are not resolved")
