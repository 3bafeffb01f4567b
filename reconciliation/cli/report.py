"""`reconcile report`: figures over all breaks."""

from datetime import UTC, datetime

import click

from reconciliation.adapters.database.ageing import BUCKETS, ageing
from reconciliation.cli.open_parts import open_parts
from reconciliation.cli.output import print_json, print_line, print_table


@click.group()
def report() -> None:
    """Figures over all breaks."""


@report.command("ageing")
@click.option("--account", "account_id", help="Only of this account.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ageing_(account_id: str | None, as_json: bool) -> None:
    """Count the breaks that are not resolved by account, type, severity and days since the first sighting."""
    with open_parts() as parts:
        lines = ageing(parts.stores.engine, datetime.now(UTC), account_id=account_id)
    if as_json:
        payload = [
            {
                "account_id": line.account_id,
                "type": line.type,
                "severity": line.severity,
                "total": line.total,
                "buckets": dict(zip(BUCKETS, line.counts, strict=True)),
            }
            for line in lines
        ]
        print_json({"ageing": payload})
        return
    print_table(
        ("account", "type", "severity", *BUCKETS, "total"),
        [(line.account_id, line.type, line.severity, *line.counts, line.total) for line in lines],
    )
    print_line(f"{sum(line.total for line in lines)} breaks are not resolved")
