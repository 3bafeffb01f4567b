"""The port to bulk jobs: one action on a frozen set of breaks, with a result for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.ports.breaks import BreakFilter


class BulkResult(str, Enum):
    """What became of one break of a job."""

    DONE = "done"
    REFUSED = "refused"  # its state does not allow the action
    CHANGED = "changed"  # it is not in the version that was selected: it was left alone


@dataclass(frozen=True, kw_only=True)
class BulkItem:
    """One break of a job."""

    break_id: UUID
    account_id: str
    #: None: still to be done.
    result: BulkResult | None
    #: Why it was not done.
    message: str | None


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """One job."""

    job_id: UUID
    action: BreakAction
    #: As the person wrote it.
    selection: str
    finished_at: datetime | None
    items: Sequence[BulkItem]


class BulkJobStore(Protocol):
    """Bulk jobs in the database. Blocking; every method raises StorageError when the database cannot be reached."""

    def create(self, action: BreakAction, selection: str, wanted: BreakFilter | Sequence[str]) -> UUID:
        """Freeze the set of breaks that a filter, or ids of breaks, name now; change none of them yet.

        Raises:
            InvalidInputError: there is no such break, or there are too many.
        """
        ...

    def work(self, job_id: UUID, *, limit: int) -> Sequence[str]:
        """Do the next items of a job, each once, in one transaction; return their accounts. Empty: all are done."""
        ...

    def get(self, job_id: str) -> BulkJob:
        """Return a job by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no job, or more than one, has such an id.
        """
        ...
