"""How a run is shown: from the payloads of the channels, whether they came over Redis or not."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconciliation.cli.boundary import ExitStatus
from reconciliation.cli.output import print_line, print_table
from reconciliation.domain.model.models import Outcome, ValueBasis
from reconciliation.domain.model.values import EXACT
from reconciliation.support.wording import counted

COLUMNS = ("severity", "type", "symbol", "asset type", "local", "broker", "difference", "value at stake")
EXIT_STATUS: Mapping[str, ExitStatus] = {
    Outcome.CLEAN.value: ExitStatus.OK,
    Outcome.DISCREPANCIES.value: ExitStatus.DISCREPANCIES,
    Outcome.INCOMPLETE.value: ExitStatus.INCOMPLETE,
}
#: Why a run changed no break, in words.
NOT_APPLIED: Mapping[str, str] = {
    "incomplete": "one side could not be read completely",
    "older_read": "an earlier run of this account had newer data",
    "lease_lost": "another run of this account took over",
}
OUTCOME_STYLES: Mapping[str, str] = {"clean": "green", "discrepancies": "bold red", "incomplete": "bold yellow"}


def print_run(
    result: Mapping[str, Any], discrepancies: Sequence[Mapping[str, Any]], not_applied: str | None = None
) -> None:
    """Print the findings as a table, then one sentence about the run; where it changed no break, also why."""
    print_findings(discrepancies)
    print_line(sentence(result), style=OUTCOME_STYLES[result["outcome"]])
    if result["not_compared"]:
        print_line(f"not compared: {', '.join(result['not_compared'])}")
    if not_applied is not None:
        print_line(f"no break was changed: {NOT_APPLIED.get(not_applied, not_applied)}", style="yellow")


def print_findings(discrepancies: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of findings, or nothing where there are none."""
    if discrepancies:
        print_table(COLUMNS, [_row(found) for found in discrepancies])


def sentence(result: Mapping[str, Any]) -> str:
    """Return what a run ended with, in one line."""
    about = f"{result['account_id']}: {result['outcome']}"
    if result["error"]:
        error = result["error"]
        return f"{about}, {error['side']} side could not be read ({error['kind']}): {error['message']}"
    count = result["discrepancy_count"]
    findings = f"{counted(count, 'finding')}, " if count else ""
    checked = counted(result["positions_checked"], "position")
    return f"{about}, {findings}{checked} checked in {result['duration_ms']:.0f} ms"


def finding_line(found: Mapping[str, Any]) -> str:
    """Return one finding in one line."""
    severity, kind, symbol, _, local, broker, *_ = (_text(cell) for cell in _row(found))
    return f"{found['account_id']}: {severity} {kind} {symbol} local={local} broker={broker}"


def _row(found: Mapping[str, Any]) -> tuple[str | Decimal | None, ...]:
    local, broker = (None if found[side] is None else Decimal(found[side]) for side in ("local_value", "broker_value"))
    difference = None if local is None or broker is None else EXACT.subtract(broker, local)
    symbol, other = found["symbol"], found["other_symbol"]
    other_side = "broker" if broker is None else "local"
    named = f"{symbol} ({other_side}: {other}?)" if other else symbol
    if found.get("is_gross"):
        named = f"{symbol} (long + short)"
    return found["severity"], found["type"], named, found["asset_type"], local, broker, difference, value_text(found)


def value_text(payload: Mapping[str, Any]) -> str | None:
    """Return the value at stake of a finding or a break as one reads it; None where it is not known."""
    amount = payload.get("value_at_stake")
    if amount is None:
        return None
    known = f"{amount} {payload['value_currency'] or '?'}"
    return f"{known} (by cost)" if payload["value_basis"] == ValueBasis.COST.value else known


def _text(cell: str | Decimal | None) -> str:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return "-" if cell is None else cell
