"""`reconcile check-book`: what the local book says of one account, and how rows of your own tables were read."""

from decimal import Decimal
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.domain.model.values import decimal_text


@click.command("check-book")
@click.argument("account")
@json_option("one object with `rows` and `snapshot`")
def check_book(account: str, as_json: bool) -> None:
    """Show how the local book of ACCOUNT is read.

    For your own tables, this shows the first rows, and what they became.
    """
    with open_desk() as desk:
        rows = desk.preview_book(account)
        if not as_json:
            for row in rows:
                print_line(f"{row.part}: {row.read_text}")
                print_line(f"    {row.outcome_text}", style=None if row.fault is None else "bold red")
        snapshot = desk.read_book(account)
    if as_json:
        print_json({"rows": [row.as_json() for row in rows], "snapshot": _snapshot_json(snapshot)})
    else:
        _print_snapshot(snapshot)


def _print_snapshot(snapshot: LocalSnapshot) -> None:
    print_table(
        ("symbol", "asset type", "quantity", "avg cost"),
        [(row.symbol, row.asset_type.value, row.quantity, row.avg_cost) for row in snapshot.positions],
        title=f"{snapshot.account_id}: {len(snapshot.positions)} rows of positions",
    )
    print_line(f"cash {_figure(snapshot.cash)}, equity {_figure(snapshot.equity)}, currency {snapshot.currency or '-'}")
    for currency, cash in sorted(snapshot.cash_by_currency.items()):
        print_line(f"cash in {currency}: {cash:f}")


def _figure(value: Decimal | None) -> str:
    return "not kept" if value is None else f"{value:f}"


def _snapshot_json(snapshot: LocalSnapshot) -> dict[str, Any]:
    return {
        "account_id": snapshot.account_id,
        "cash": decimal_text(snapshot.cash),
        "equity": decimal_text(snapshot.equity),
        "currency": snapshot.currency,
        "cash_by_currency": {currency: f"{cash:f}" for currency, cash in snapshot.cash_by_currency.items()},
        "positions": [
            {
                "symbol": row.symbol,
                "asset_type": row.asset_type.value,
                "quantity": f"{row.quantity:f}",
                "avg_cost": decimal_text(row.avg_cost),
            }
            for row in snapshot.positions
        ],
    }
