"""The port to the ledger: where runs are recorded and breaks are kept; one transaction a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.breaks.likely_causes import NO_CAUSE_INPUTS, CauseInputs
from reconciliation.domain.model.models import ReconciliationConfig, ReconciliationResult
from reconciliation.domain.model.runs import Fence


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """One run as it ended, with what else is known of it; only the result is needed."""

    result: ReconciliationResult
    #: The tolerances that were applied; None: not known (the account has no plan).
    config: ReconciliationConfig | None = None
    #: The lease under which the run was made; None: it needed none.
    fence: Fence | None = None
    #: The account's fills before the reads began and after they ended; None: nobody keeps them.
    fills_before: FillActivity | None = None
    fills_after: FillActivity | None = None
    #: What either side holds, under the names of the findings.
    holdings: frozenset[str] = frozenset()
    hints: CauseInputs = NO_CAUSE_INPUTS


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A confirmation run that is wanted."""

    account_id: str
    due_at: datetime
    #: The first after an ordinary run is 1, one that such a run asks for is 2.
    in_a_row: int = 1


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What the caller does after the commit; each of it is repaired from the database if the caller dies first."""

    #: Confirmation runs that are needed, and when.
    to_confirm: tuple[Confirmation, ...] = ()
    #: Accounts with events that wait to be published.
    to_publish: tuple[str, ...] = ()
    #: Runs that were recorded and changed nothing, as (account_id, why): incomplete, lease_lost, older_read, repeated.
    not_applied: tuple[tuple[str, str], ...] = ()


class RunLedger(Protocol):
    """Where runs are recorded. Blocking: the use case calls it in a thread."""

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        """Record every run, advance the breaks of its account, and note the events to tell: all or nothing.

        A run that is recorded already (the same run id) changes nothing a second time.

        Raises:
            StorageError: the database cannot be reached; nothing was recorded.
        """
        ...


class WantedConfirmations(Protocol):
    """The confirmation runs that the database still waits for."""

    def overdue(self, before: datetime, limit: int) -> Sequence[Confirmation]: ...


class RecordedRuns(Protocol):
    """Which runs the ledger holds. Blocking."""

    def recorded(self, run_ids: Sequence[UUID]) -> set[UUID]: ...
