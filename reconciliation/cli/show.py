"""`reconcile show`: what an adapter reads of a statement file."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from reconciliation.bootstrap.files import Statement, titles
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.cli.statement_file import FILE, statement_file, statement_options
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.domain.model.values import decimal_text
from reconciliation.support.wording import counted

#: More accounts are only listed; `--account` shows one in full.
_MAX_ACCOUNTS_IN_FULL = 10


@click.command(
    help=f"""Show what is read from a broker's STATEMENT ({titles()}).

    If the file has several dates of one account, the newest counts. Exit status: 0 the statement was read, 2 the file
    is not a statement that can be read, 3 the file is cut off."""
)
@click.argument("statement", type=FILE)
@statement_options
@json_option("one object with `file`, `format` and `accounts`")
def show(statement: Path, *, as_json: bool, **options: Any) -> None:
    """Show what is read of a statement."""
    file = statement_file(statement, options)
    format_name, statements = file.detect_format(), file.read()
    if as_json:
        accounts = [_statement_json(one) for one in statements]
        print_json({"file": str(statement), "format": format_name, "accounts": accounts})
        return
    print_line(f"{statement}: {format_name}, {counted(len(statements), 'account')}")
    if len(statements) > 1:
        _print_overview(statements)
    if len(statements) <= _MAX_ACCOUNTS_IN_FULL:
        for one in statements:
            _print_statement(one)
    else:
        print_line("Show one in full with --account ID.")


def _print_overview(statements: Sequence[Statement]) -> None:
    print_line()
    print_table(
        ["account", "as of", "positions", "cash", "equity", "currency"],
        [
            [
                one.account_id,
                _date(one),
                None if one.positions is None else len(one.positions),
                one.account.cash,
                one.account.total_equity,
                one.account.currency,
            ]
            for one in statements
        ],
    )


def _print_statement(statement: Statement) -> None:
    account = statement.account
    print_line()
    print_line(f"Account {account.account_id}, as of {_date(statement)}", style="bold")
    values = {
        "cash": account.cash,
        "equity": account.total_equity,
        "buying power": account.buying_power,
        "margin used": account.margin_used,
    }
    rows: list[list[str | Decimal | None]] = [[name, value, account.currency] for name, value in values.items()]
    if len(account.cash_by_currency) > 1:
        rows += [[f"cash {currency}", amount, currency] for currency, amount in account.cash_by_currency.items()]
    print_table(["balance", "amount", "currency"], rows)
    print_line()
    if statement.positions is None:
        print_line(f"Positions are not known: {statement.no_positions}.", style="yellow")
    elif statement.positions:
        print_table(
            ["symbol", "type", "quantity", "avg cost", "market value", "currency", "multiplier", "ids"],
            [
                [
                    row.symbol,
                    row.asset_type.value,
                    row.quantity,
                    row.avg_cost,
                    row.market_value,
                    row.currency,
                    row.multiplier,
                    " ".join(f"{name}:{value}" for name, value in row.identifiers.items()) or None,
                ]
                for row in statement.positions
            ],
        )
    else:
        print_line("No positions: the account is flat.")
    for note in statement.notes:
        print_line(f"Note: {note}.", style="yellow")


def _date(statement: Statement) -> str | None:
    if statement.as_of is None:
        return "a time that the file does not say"
    at_midnight = not (statement.as_of.hour or statement.as_of.minute or statement.as_of.second)
    return f"{statement.as_of:%Y-%m-%d}" if at_midnight else f"{statement.as_of:%Y-%m-%d %H:%M:%S} UTC"


def _statement_json(statement: Statement) -> dict[str, Any]:
    account = statement.account
    return {
        "account_id": account.account_id,
        "as_of": statement.as_of and statement.as_of.isoformat(),
        "generated_at": statement.generated_at and statement.generated_at.isoformat(),
        "currency": account.currency,
        "cash": decimal_text(account.cash),
        "total_equity": decimal_text(account.total_equity),
        "buying_power": decimal_text(account.buying_power),
        "margin_used": decimal_text(account.margin_used),
        "cash_by_currency": {currency: decimal_text(amount) for currency, amount in account.cash_by_currency.items()},
        "positions": None if statement.positions is None else [_position_json(row) for row in statement.positions],
        "notes": [*statement.notes, *([] if statement.positions is not None else [statement.no_positions])],
    }


def _position_json(row: BrokerPosition) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "asset_type": row.asset_type.value,
        "quantity": decimal_text(row.quantity),
        "avg_cost": decimal_text(row.avg_cost),
        "market_value": decimal_text(row.market_value),
        "currency": row.currency,
        "multiplier": decimal_text(row.multiplier),
        "identifiers": dict(row.identifiers),
    }
