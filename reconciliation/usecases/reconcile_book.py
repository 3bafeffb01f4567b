"""Compare every account of two whole books that are at hand. Nothing is recorded or published."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from reconciliation.domain.comparison.conclude import SymbolContext
from reconciliation.domain.model.models import (
    Discrepancy,
    DiscrepancyType,
    Measure,
    Outcome,
    ReconciliationResult,
)
from reconciliation.domain.model.runs import RunStart
from reconciliation.domain.model.values import EXACT
from reconciliation.ports.whole_books import WholeBooks
from reconciliation.usecases.compare_books import Tolerances, compare_books


@dataclass(frozen=True, kw_only=True)
class BookFinding:
    """One discrepancy, and the run that found it."""

    run_id: UUID
    discrepancy: Discrepancy


@dataclass(kw_only=True)
class BookReport:
    """What the comparison of two whole books found."""

    only_local: Sequence[str]
    only_broker: Sequence[str]
    clean_accounts: int
    positions_checked: int
    not_compared: Counter[Measure]
    notes: Sequence[str] = ()
    differing: list[ReconciliationResult] = field(default_factory=list)
    incomplete: list[ReconciliationResult] = field(default_factory=list)
    findings: list[BookFinding] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """The worst of all accounts; one that only one side names could not be compared."""
        if self.incomplete or self.only_local or self.only_broker:
            return Outcome.INCOMPLETE
        return Outcome.DISCREPANCIES if self.findings else Outcome.CLEAN

    @property
    def compared_accounts(self) -> int:
        return self.clean_accounts + len(self.differing)

    def counts(self) -> dict[DiscrepancyType, int]:
        return dict(Counter(found.discrepancy.type for found in self.findings))

    def values(self) -> dict[DiscrepancyType, dict[str | None, Decimal]]:
        """Return the sum of the values at stake by type and currency; None is a currency that is not known."""
        sums: dict[DiscrepancyType, dict[str | None, Decimal]] = defaultdict(dict)
        for found in self.findings:
            value = found.discrepancy.value
            if value is not None:
                of_type = sums[found.discrepancy.type]
                of_type[value.currency] = EXACT.add(of_type.get(value.currency, Decimal(0)), value.amount)
        return sums

    def worst(self, count: int) -> list[BookFinding]:
        """Return the findings of most value; those of no known value last."""
        return sorted(self.findings, key=_by_value)[:count]


def _by_value(found: BookFinding) -> tuple[bool, Decimal, str, str]:
    one = found.discrepancy
    return (one.value is None, -one.value.amount if one.value else Decimal(0), one.account_id, one.symbol or "")


def reconcile_book(
    books: WholeBooks,
    tolerances: Tolerances,
    symbols: SymbolContext,
    start: RunStart,
    *,
    on_account: Callable[[], object] = lambda: None,
) -> BookReport:
    """Return what all accounts of both sides come to.

    Args:
        books: both sides; what a reader found plainly equal is only counted.
        tolerances: of every account.
        symbols: which symbols are the same instrument.
        start: when the reads began.
        on_account: told after each account that was judged.
    """
    equal = books.equal
    report = BookReport(
        only_local=sorted(books.only_local),
        only_broker=sorted(books.only_broker),
        clean_accounts=equal.accounts,
        positions_checked=equal.positions,
        not_compared=Counter(equal.not_compared),
        notes=books.notes,
    )
    for account_id in sorted(books.broker):
        answer = books.broker[account_id]
        [result] = compare_books(books.local, {account_id: answer}, tolerances, symbols, start)
        report.positions_checked += result.positions_checked
        report.not_compared.update(item.measure for item in result.not_compared)
        if result.outcome is Outcome.INCOMPLETE:
            report.incomplete.append(result)
        elif result.is_clean:
            report.clean_accounts += 1
        else:
            report.differing.append(result)
            report.findings += [BookFinding(run_id=result.run_id, discrepancy=one) for one in result.discrepancies]
        on_account()
    return report
