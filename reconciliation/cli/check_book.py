"""`reconcile check-book`: what the local book says of one account, and for your own tables, how it was read."""

import asyncio
from decimal import Decimal
from typing import Any

import click

from reconciliation.adapters.books.user_tables.book import PreviewRow, pairs, plain
from reconciliation.bootstrap import Bootstrap
from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.domain.model.values import decimal_text
from reconciliation.errors import ReadError


@click.command("check-book")
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="Print rows and snapshot as JSON.")
def check_book(account: str, as_json: bool) -> None:
    """Show how the local book of ACCOUNT is read: the first rows of your own tables, and what they became."""
    with open_desk() as desk:
        parts = desk.parts
        rows = parts.stores.user_tables.preview(account) if parts.settings.local in ("table", "query") else []
        if not as_json:
            _print_rows(rows)
        snapshot = asyncio.run(_read(parts, account))
    if as_json:
        print_json({"rows": [_row_json(row) for row in rows], "snapshot": _snapshot_json(snapshot)})
    else:
        _print_snapshot(snapshot)


async def _read(parts: Bootstrap, account: str) -> LocalSnapshot:
    answer = (await parts.stores.local_book.get_snapshots([account]))[account]
    if isinstance(answer, ReadError):
        raise answer
    return answer


def _print_rows(rows: list[PreviewRow]) -> None:
    for row in rows:
        print_line(f"{row.part}: {pairs(row.read)}")
        if row.fault is not None:
            print_line(f"    fault: {row.fault}", style="bold red")
        else:
            print_line(f"    became: {pairs(row.became or {})}")


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


def _row_json(row: PreviewRow) -> dict[str, Any]:
    became = None if row.became is None else {name: plain(value) for name, value in row.became.items()}
    return {
        "part": row.part,
        "read": {name: plain(value) for name, value in row.read.items()},
        "became": became,
        "fault": row.fault,
    }


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
