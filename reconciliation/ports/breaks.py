"""The port to the breaks as people work them: found, shown with their history, and changed by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.states import BreakState
from reconciliation.domain.model.models import DiscrepancySeverity, DiscrepancyType

#: Whole days since the first sighting: name of the age group, and the day at which it ends.
AGE_GROUPS: tuple[tuple[str, int | None], ...] = (
    ("0-1 days", 2),
    ("2-7 days", 8),
    ("8-30 days", 31),
    ("over 30 days", None),
)


@dataclass(frozen=True, kw_only=True)
class BreakFilter:
    """Which breaks are wanted. An empty field means any; empty `states` mean all that are not resolved."""

    account_ids: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    #: The account has all of these.
    labels: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    #: A part of the symbol, in upper or lower case.
    symbol_part: str | None = None
    types: tuple[DiscrepancyType, ...] = ()
    severities: tuple[DiscrepancySeverity, ...] = ()
    states: tuple[BreakState, ...] = ()
    assignees: tuple[str, ...] = ()
    #: Only breaks without an assignee.
    unassigned: bool = False
    first_seen_before: datetime | None = None
    first_seen_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One finding of one run."""

    run_id: UUID
    timestamp: datetime
    local_value: Decimal | None
    broker_value: Decimal | None


@dataclass(frozen=True, kw_only=True)
class BreakFile:
    """One break with everything that is kept of it."""

    case: Break
    history: tuple[BreakChange, ...]
    #: The newest first.
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, kw_only=True)
class AgeingLine:
    """The breaks of one account, type and severity, by age."""

    account_id: str
    type: str
    severity: str
    #: One number for each of `AGE_GROUPS`.
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


class BreakStore(Protocol):
    """Breaks in the database. Blocking; every method raises StorageError when the database cannot be reached."""

    def find(self, wanted: BreakFilter, *, limit: int | None) -> Sequence[Break]:
        """Return breaks, the oldest first; None: all."""
        ...

    def count(self, wanted: BreakFilter) -> int: ...

    def show(self, break_id: str) -> BreakFile:
        """Return one break by its id or a clear beginning of it.

        Raises:
            InvalidInputError: no break, or more than one, has such an id.
        """
        ...

    def act(self, break_id: str, action: BreakAction) -> Break:
        """Change one break by hand, in one transaction with its event.

        Raises:
            InvalidInputError: no break, or more than one, has such an id.
            BreakRefusedError: the break's state does not allow it.
        """
        ...
