"""Compare accounts whose both sides are at hand already, such as two files. Nothing is recorded or published."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.model.models import ReconciliationConfig, ReconciliationResult, Trigger
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.errors import ReadError


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """The tolerances of every account of one comparison."""

    cash: Decimal
    equity_pct: Decimal
    #: Relative: 0.0001 is one basis point.
    cost: Decimal

    def config(self, account_id: str) -> ReconciliationConfig:
        return ReconciliationConfig(
            account_id,
            cash_tolerance=self.cash,
            equity_tolerance_pct=self.equity_pct,
            tolerances=(ToleranceRule(measure="cost", tolerance=Tolerance(relative=self.cost)),),
            # The files were named by hand: they are compared whatever their age.
            max_statement_age_business_days=0,
            max_local_age_business_days=0,
        )


def compare_books(
    local: Mapping[str, LocalSnapshot],
    broker: Mapping[str, BrokerSnapshot | ReadError],
    tolerances: Tolerances,
    symbols: SymbolContext,
    start: RunStart,
) -> list[ReconciliationResult]:
    """Return a result for each account of the broker's side, in its order.

    Args:
        local: the local book; it has every account of the broker's side.
        broker: the broker's answer for each account, or why there is none: the result is then incomplete.
        tolerances: of every account.
        symbols: which symbols are the same instrument.
        start: when the reads began.
    """
    return [
        conclude(
            RunRequest(account_id=account_id, context={"trigger": Trigger.ON_DEMAND.value}),
            tolerances.config(account_id),
            start,
            local[account_id],
            answer,
            symbol_context=symbols,
        )
        for account_id, answer in broker.items()
    ]
