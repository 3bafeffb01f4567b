"""How the comparison of two whole books is shown: as tables, as JSON, as a CSV file."""

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.cli.run_view import OUTCOME_STYLES, value_text
from reconciliation.domain.model.values import decimal_text
from reconciliation.errors import InvalidInputError
from reconciliation.messages.runs import discrepancy_payload
from reconciliation.support.wording import counted
from reconciliation.usecases.reconcile_book import BookFinding, BookReport

#: Findings and accounts that the tables name; --json and --csv have all.
WORST_SHOWN = 20
ACCOUNTS_SHOWN = 10

CSV_COLUMNS = (
    "account_id",
    "severity",
    "type",
    "symbol",
    "asset_type",
    "currency",
    "local_value",
    "broker_value",
    "value_at_stake",
    "value_currency",
    "value_basis",
    "other_symbol",
    "is_gross",
)


def print_book_json(report: BookReport, duration_ms: float) -> None:
    """Print one object: `summary`, and every discrepancy with its account."""
    print_json(
        {"summary": _summary(report, duration_ms), "discrepancies": [_payload(found) for found in report.findings]}
    )


def write_book_csv(report: BookReport, path: Path) -> None:
    """Write every discrepancy as a row.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_payload(found) for found in report.findings)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}") from error


def print_book(report: BookReport, files: str) -> None:
    """Print the worst findings, the totals by type, the accounts that could not be compared, and one sentence."""
    print_line(files, style="bold")
    if report.findings:
        print_line()
        worst = [_row(found) for found in report.worst(WORST_SHOWN)]
        columns = ("account", "severity", "type", "symbol", "local", "broker", "value at stake")
        print_table(columns, worst, title=f"The {counted(len(worst), 'discrepancy', 'discrepancies')} of most value:")
        print_line()
        print_table(("type", "count", "value at stake"), list(_totals(report)))
    print_line()
    for note in report.notes:
        print_line(f"Note: {note}.", style="yellow")
    _print_accounts("only in the local book", report.only_local)
    _print_accounts("only in the statement", report.only_broker)
    for result in report.incomplete[:ACCOUNTS_SHOWN]:
        message = result.error.message if result.error else ""
        print_line(f"{result.account_id}: incomplete, nothing was compared: {message}", style="bold yellow")
    if report.not_compared:
        words = ", ".join(f"{measure.value} {count} times" for measure, count in sorted(report.not_compared.items()))
        print_line(f"Not compared: {words}.", style="yellow")
    print_line(_sentence(report), style=OUTCOME_STYLES[report.outcome.value])


def _print_accounts(where: str, accounts: Any) -> None:
    if accounts:
        named = ", ".join(accounts[:ACCOUNTS_SHOWN])
        more = f" and {len(accounts) - ACCOUNTS_SHOWN} more" if len(accounts) > ACCOUNTS_SHOWN else ""
        print_line(f"{counted(len(accounts), 'account')} {where}: {named}{more}", style="bold yellow")


def _sentence(report: BookReport) -> str:
    differences = counted(len(report.findings), "discrepancy", "discrepancies")
    return (
        f"{counted(report.compared_accounts, 'account')} compared, {report.clean_accounts} clean: "
        f"{differences}, {counted(report.positions_checked, 'position')} checked"
    )


def _summary(report: BookReport, duration_ms: float) -> Mapping[str, Any]:
    counts, values = report.counts(), report.values()
    return {
        "outcome": report.outcome.value,
        "accounts_compared": report.compared_accounts,
        "accounts_clean": report.clean_accounts,
        "accounts_with_discrepancies": len(report.differing),
        "only_local": list(report.only_local),
        "only_broker": list(report.only_broker),
        "incomplete": [
            {"account_id": result.account_id, "error": result.error.message if result.error else None}
            for result in report.incomplete
        ],
        "positions_checked": report.positions_checked,
        "discrepancy_count": len(report.findings),
        "by_type": {
            kind.value: {
                "count": count,
                "value_at_stake": {name or "": decimal_text(amount) for name, amount in values.get(kind, {}).items()},
            }
            for kind, count in sorted(counts.items())
        },
        "not_compared": {measure.value: count for measure, count in sorted(report.not_compared.items())},
        "notes": list(report.notes),
        "duration_ms": duration_ms,
    }


def _payload(found: BookFinding) -> dict[str, Any]:
    return discrepancy_payload(found.run_id, found.discrepancy)


def _row(found: BookFinding) -> tuple[str | Decimal | None, ...]:
    one = found.discrepancy
    value = value_text(_payload(found))
    return one.account_id, one.severity.value, one.type.value, one.symbol, one.local_value, one.broker_value, value


def _totals(report: BookReport) -> Iterator[tuple[str, int, str]]:
    values = report.values()
    for kind, count in sorted(report.counts().items()):
        amounts = [f"{amount:f} {name or '?'}" for name, amount in values.get(kind, {}).items()]
        yield kind.value, count, " + ".join(amounts) or "-"
