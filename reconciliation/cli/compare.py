"""`reconcile compare`: a local book in CSV files against a statement file, without any server."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconciliation.bootstrap.files import Statement, named, read_local_csv, read_symbol_mappings
from reconciliation.bootstrap.whole_books import BookFiles, of_a_firm, read_whole_books
from reconciliation.cli.book_view import print_book, print_book_json, write_book_csv
from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line
from reconciliation.cli.run_view import EXIT_STATUS, print_findings
from reconciliation.cli.statement_file import FILE, statement_file, statement_options
from reconciliation.domain.comparison.conclude import SymbolContext
from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunStart
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError
from reconciliation.messages.runs import discrepancy_payload, result_payload
from reconciliation.ports.whole_books import WholeBooks
from reconciliation.support.wording import counted
from reconciliation.usecases.compare_books import Tolerances, compare_books
from reconciliation.usecases.reconcile_book import BookReport, reconcile_book


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
    help="A CSV file of the local positions: account_id,symbol,asset_type,quantity,avg_cost, and side if needed.",
)
@click.option(
    "--local-mapping",
    metavar="NAME",
    help="How the local positions are written, if not in our columns: a mapping's name such as schwab, or a TOML file.",
)
@click.option(
    "--balances",
    type=FILE,
    help="A CSV file of the local balances: account_id,cash,equity. Without it, cash and equity are not compared.",
)
@click.option("--broker", "statement", type=FILE, required=True, help="The broker's statement, in any known format.")
@statement_options
@click.option(
    "--cash-tolerance",
    type=Amount(),
    default="1.00",
    show_default=True,
    help="The largest cash difference that is no finding.",
)
@click.option(
    "--equity-tolerance-pct",
    type=Amount(),
    default="0.1",
    show_default=True,
    help="The largest equity difference that is no finding, in percent of the local equity.",
)
@click.option(
    "--cost-tolerance",
    type=Amount(),
    default="0.0001",
    show_default=True,
    help="The largest relative difference of average cost that is no finding: 0.0001 is one basis point.",
)
@click.option(
    "--symbols",
    type=FILE,
    help="A CSV file of symbol mappings: broker,broker_symbol,local_symbol. The broker is a format, or *.",
)
@click.option(
    "--all-accounts",
    is_flag=True,
    help="Compare every account of either side, and show the totals and the discrepancies of most value.",
)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --all-accounts: write every discrepancy as a row of this CSV file.",
)
@json_option("one object with `result` (several accounts: `results`; --all-accounts: `summary`) and `discrepancies`")
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
    local_mapping: str | None,
    all_accounts: bool,
    csv_path: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare your book in CSV files with a broker's statement.

    Exit status: 0 clean, 1 discrepancies, 2 wrong usage or bad input, 3 incomplete (the statement is not whole).
    Of several accounts, the worst one counts: 3, then 1, then 0.
    """
    start = RunStart.now()
    file = statement_file(statement, options)
    if all_accounts:
        file = of_a_firm(file)
    mappings = read_symbol_mappings(symbols) if symbols else []
    context = SymbolContext(resolver=SymbolResolver(mappings), brokers=(file.detect_format(),))
    tolerances = Tolerances(cash=cash_tolerance, equity_pct=equity_tolerance_pct, cost=cost_tolerance)
    if (csv_path and not all_accounts) or (all_accounts and file.account_ids):
        raise InvalidInputError("--csv goes with --all-accounts, and --account does not")
    if all_accounts:
        named_symbols = [mapping.broker_symbol.strip() for mapping in mappings]
        books = read_whole_books(
            BookFiles(
                positions=positions,
                balances=balances,
                statement=file,
                mapping=local_mapping,
                mapped_symbols=named_symbols,
            )
        )
        report = _reconcile_with_bar(books, tolerances, context, start)
        if csv_path is not None:
            write_book_csv(report, csv_path)
        if as_json:
            print_book_json(report, start.elapsed_ms())
        else:
            print_book(report, f"{positions} against {statement}")
        ctx.exit(EXIT_STATUS[report.outcome.value])
    statements = file.read()
    if len(statements) > 1 and not file.account_ids:
        raise InvalidInputError(
            f"{statement} holds {len(statements)} accounts: choose with --account, or take --all-accounts; "
            f"it holds: {named(statements)}"
        )
    broker = {one.account_id: file.snapshot(one) for one in statements}
    default_account = options.get("default_account")
    local = read_local_csv(positions, balances, [*broker], mapping=local_mapping, default_account=default_account)
    results = compare_books(local, broker, tolerances, context, start)
    if as_json:
        _print_json(results)
    else:
        _print_results(results, statements, f"{positions} against {statement}")
    ctx.exit(max((EXIT_STATUS[result.outcome.value] for result in results), key=_BADNESS.index))


def _reconcile_with_bar(
    books: WholeBooks, tolerances: Tolerances, context: SymbolContext, start: RunStart
) -> BookReport:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("accounts", total=len(books.broker))
        return reconcile_book(books, tolerances, context, start, on_account=lambda: progress.advance(bar))


#: From good to bad.
_BADNESS = (ExitStatus.OK, ExitStatus.DISCREPANCIES, ExitStatus.INCOMPLETE)


def _print_json(results: Sequence[ReconciliationResult]) -> None:
    found = [discrepancy_payload(result.run_id, one) for result in results for one in result.discrepancies]
    payloads = [result_payload(result) for result in results]
    whole = {"result": payloads[0]} if len(payloads) == 1 else {"results": payloads}
    print_json({**whole, "discrepancies": found})


def _print_results(results: Sequence[ReconciliationResult], statements: Sequence[Statement], files: str) -> None:
    for number, (result, one) in enumerate(zip(results, statements, strict=True)):
        if number:
            print_line()
        found = [discrepancy_payload(result.run_id, each) for each in result.discrepancies]
        _print_result(result, found, one, files)
    if len(results) > 1:
        counts = Counter(result.outcome.value for result in results)
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        print_line(f"\n{counted(len(results), 'account')}: {outcomes}")


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
