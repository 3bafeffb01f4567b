"""`reconcile compare`: a local book in CSV files against a statement file, without any server."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from reconciliation.adapters.books.csv import CsvBook
from reconciliation.adapters.books.symbol_file import read_symbol_mappings
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.cli.output import print_json, print_line
from reconciliation.cli.run_view import EXIT_STATUS, print_findings
from reconciliation.cli.statement_file import FILE, StatementFile, accounts_in, statement_options
from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.model.models import ReconciliationConfig, ReconciliationResult, Trigger
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError, ReadError
from reconciliation.messages.runs import discrepancy_payload, result_payload
from reconciliation.support.wording import counted


class Amount(click.ParamType[Decimal]):
    """An exact number that is not negative."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = exact_decimal(value, "value")
        except InvalidInputError:
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        if number < 0:
            self.fail(f"{value} is negative.", param, ctx)
        return number


@click.command()
@click.option(
    "--local",
    "positions",
    type=FILE,
    required=True,
    help="CSV of positions: account_id,symbol,asset_type,quantity,avg_cost.",
)
@click.option("--balances", type=FILE, help="CSV of balances: account_id,cash,equity. Without it neither is compared.")
@click.option("--broker", "statement", type=FILE, required=True, help="The broker's statement, in any format.")
@statement_options
@click.option(
    "--cash-tolerance",
    type=Amount(),
    default="1.00",
    show_default=True,
    help="Of cash: absolute, inclusive.",
)
@click.option(
    "--equity-tolerance-pct",
    type=Amount(),
    default="0.1",
    show_default=True,
    help="Of equity: percent of the local equity, inclusive.",
)
@click.option(
    "--cost-tolerance",
    type=Amount(),
    default="0.0001",
    show_default=True,
    help="Of average cost: relative; 0.0001 is 1 bp.",
)
@click.option(
    "--symbols",
    type=FILE,
    help="CSV of mappings: broker,broker_symbol,local_symbol. broker: a format or *.",
)
@click.option("--json", "as_json", is_flag=True, help='Print one JSON object: {"result": …, "discrepancies": […]}.')
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    positions: Path,
    balances: Path | None,
    statement: Path,
    *,
    cash_tolerance: Decimal,
    equity_tolerance_pct: Decimal,
    cost_tolerance: Decimal,
    symbols: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare your book in CSV files with a broker's statement.

    Exit status: 0 clean, 1 discrepancies, 2 wrong usage or bad input, 3 incomplete (the statement is not whole).
    """
    start = RunStart.now()
    file = StatementFile.named(statement, options)
    broker = _the_only_one(file.read(), statement)
    config = ReconciliationConfig(
        broker.account_id,
        cash_tolerance=cash_tolerance,
        equity_tolerance_pct=equity_tolerance_pct,
        tolerances=(ToleranceRule(measure="cost", tolerance=Tolerance(relative=cost_tolerance)),),
    )
    request = RunRequest(account_id=broker.account_id, context={"trigger": Trigger.ON_DEMAND.value})
    local = _read_local(CsvBook(positions, balances), broker.account_id)
    mappings = read_symbol_mappings(symbols) if symbols else ()
    symbol_context = SymbolContext(resolver=SymbolResolver(mappings), brokers=(file.detect_format(),))
    result = conclude(request, config, start, local, _snapshot(broker, file), symbol_context=symbol_context)
    found = [discrepancy_payload(result.run_id, one) for one in result.discrepancies]
    if as_json:
        print_json({"result": result_payload(result), "discrepancies": found})
    else:
        _print_result(result, found, broker, f"{positions} against {statement}")
    ctx.exit(EXIT_STATUS[result.outcome.value])


def _the_only_one(statements: Sequence[Statement], path: Path) -> Statement:
    if len(statements) > 1:
        raise InvalidInputError(
            f"{path} holds {len(statements)} accounts: choose one with --account; it holds: {accounts_in(statements)}"
        )
    return statements[0]


def _read_local(book: CsvBook, account_id: str) -> LocalSnapshot:
    """Read the local files. The caller named them, so a fault in them is bad input, not a failed read."""
    try:
        answer = asyncio.run(book.get_snapshots([account_id]))[account_id]
    except ReadError as error:
        raise InvalidInputError(str(error)) from error
    if isinstance(answer, ReadError):
        raise InvalidInputError(str(answer)) from answer
    return answer


def _print_result(
    result: ReconciliationResult, found: Sequence[Mapping[str, Any]], broker: Statement, files: str
) -> None:
    as_of = f", broker as of {result.broker_as_of:%Y-%m-%d %H:%M} UTC" if result.broker_as_of else ""
    print_line(f"Account {result.account_id}: {files}{as_of}", style="bold")
    if found:
        print_line()
        print_findings(found)
    print_line()
    for note in broker.notes:
        print_line(f"Note: {note}.", style="yellow")
    if result.not_compared:
        print_line(f"Not compared: {', '.join(map(str, result.not_compared))}.", style="yellow")
    if result.error is not None:
        print_line(f"incomplete, nothing was compared: {result.error.message}", style="bold yellow")
        return
    checked = f"{counted(result.positions_checked, 'position')} checked"
    if result.is_clean:
        print_line(f"clean: {checked}", style="green")
    else:
        differences = counted(len(result.discrepancies), "discrepancy", "discrepancies")
        print_line(f"{differences}: {checked}", style="bold red")


def _snapshot(statement: Statement, file: StatementFile) -> BrokerSnapshot | ReadError:
    try:
        return statement.snapshot(file.source)
    except ReadError as error:
        return error
