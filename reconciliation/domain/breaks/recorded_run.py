"""One run as it ended, with all that is known of it when it is recorded."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciliation.domain.breaks.break_ import Amounts, BreakKey
from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.breaks.likely_causes import NO_CAUSE_INPUTS, CauseInputs
from reconciliation.domain.model.models import ReconciliationConfig, ReconciliationResult
from reconciliation.domain.model.runs import Fence


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """One run as it ended; only the result is needed."""

    result: ReconciliationResult
    #: The tolerances that were applied; None: not known (the account has no plan).
    config: ReconciliationConfig | None = None
    #: The broker login that was read; None: not known.
    connection: str | None = None
    #: The lease under which the run was made; None: it needed none.
    fence: Fence | None = None
    #: The account's fills before the reads began and after they ended; None: they are not kept.
    fills_before: FillActivity | None = None
    fills_after: FillActivity | None = None
    #: What either side holds, under the names of the findings.
    holdings: frozenset[str] = frozenset()
    #: The broker lists no position, although the local book holds some.
    lists_nothing: bool = False
    hints: CauseInputs = NO_CAUSE_INPUTS
    #: The values of both sides for a key that the run does not show as a difference; None: not known.
    values_of: Callable[[BreakKey], Amounts | None] = lambda _key: None
