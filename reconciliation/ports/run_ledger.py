"""The port to the ledger: where runs are recorded and breaks are kept; one transaction a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from reconciliation.domain.breaks.apply_runs import Changes, Confirmation
from reconciliation.domain.breaks.recorded_run import RecordedRun


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What the caller does after the commit. If it dies first, a periodic job does it from the database."""

    #: Confirmation runs that are needed, and when.
    to_confirm: tuple[Confirmation, ...] = ()
    #: Accounts with events that wait to be published.
    to_publish: tuple[str, ...] = ()
    #: Runs that were recorded and changed nothing, as (account_id, why): incomplete, lease_lost, older_read, repeated.
    not_applied: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, changes: Changes) -> "Recording":
        return cls(
            to_confirm=changes.to_confirm,
            to_publish=tuple(dict.fromkeys(event.account_id for event in changes.events)),
            not_applied=changes.not_applied,
        )


class RunLedger(Protocol):
    """Where runs are recorded. Blocking: the use case calls it in a thread."""

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        """Record every run, advance the breaks of its account, and queue the events to publish: all or nothing.

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
