"""The port to the recorded runs: found and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from reconciliation.domain.model.models import Outcome, Trigger


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs are wanted. An empty field means any."""

    account_ids: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    since: datetime | None = None


class RunHistory(Protocol):
    """Runs in the database. Blocking; every method raises StorageError when the database cannot be reached."""

    def find(self, wanted: RunFilter, *, limit: int | None) -> Sequence[Mapping[str, Any]]:
        """Return runs as mappings, the newest first; None: all."""
        ...

    def show(self, run_id: str) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
        """Return one run and its findings, by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no run, or more than one, has such an id.
        """
        ...

    def outcomes(self, run_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        """Return the outcomes of those runs that are recorded."""
        ...

    def why_not_applied(self, run_id: UUID) -> str | None:
        """Return why a recorded run changed no break: incomplete, lease_lost, older_read; None: it was applied."""
        ...
