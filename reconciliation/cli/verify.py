"""`reconcile verify`: look whether the ledger is consistent."""

from datetime import UTC, datetime

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.support.wording import counted


@click.command()
@json_option("one object with `breaks`, `requeued`, `differing` and `without_runs`")
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Verify that every event is on its way, and that every break is what its history says.

    Lost events are queued again. Workers do the same every hour. The exit status is 1 if anything was wrong.
    """
    with open_desk() as desk:
        found = desk.parts.stores.verification.verify(datetime.now(UTC))
    if as_json:
        lists = {"requeued": found.requeued, "differing": found.differing, "without_runs": found.without_runs}
        print_json({"breaks": found.breaks, **{name: list(values) for name, values in lists.items()}})
    else:
        print_line(f"{counted(found.breaks, 'live break')} verified")
        for event_id in found.requeued:
            print_line(f"event {event_id} was lost, and is queued again")
        for break_id in found.differing:
            print_line(f"break {break_id} is not what its history says: `reconcile breaks show {break_id}`")
        for account_id in found.without_runs:
            print_line(f"account {account_id} has open breaks, but is not scheduled: no run will resolve them")
    if not found.is_consistent:
        ctx.exit(1)
