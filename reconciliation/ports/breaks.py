"""The port to the breaks as people work them: found, shown with their history, and changed by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Protocol
from uuid import UUID

from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.break_ import Break, BreakChange
from reconciliation.domain.breaks.states import BreakEventKind, BreakState
from reconciliation.domain.model.models import AssetType, DiscrepancySeverity, DiscrepancyType

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
    asset_types: tuple[AssetType, ...] = ()
    #: A part of the symbol, in upper or lower case.
    symbol_part: str | None = None
    types: tuple[DiscrepancyType, ...] = ()
    severities: tuple[DiscrepancySeverity, ...] = ()
    states: tuple[BreakState, ...] = ()
    assignees: tuple[str, ...] = ()
    #: Only breaks without an assignee.
    unassigned: bool = False
    #: Kinds of likely causes; empty text: none is known.
    causes: tuple[str, ...] = ()
    #: Ratios of the quantities, such as 10:1.
    ratios: tuple[str, ...] = ()
    #: The value at stake is known and at least this, in whatever currency it has.
    min_value: Decimal | None = None
    value_currencies: tuple[str, ...] = ()
    first_seen_before: datetime | None = None
    first_seen_since: datetime | None = None


class BreakSort(str, Enum):
    """What breaks can be ordered by."""

    SEVERITY = "severity"
    VALUE = "value"
    FIRST_SEEN_AT = "first_seen_at"
    LAST_SEEN_AT = "last_seen_at"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    TYPE = "type"
    STATE = "state"
    ASSIGNEE = "assignee"


@dataclass(frozen=True)
class SortKey:
    """One key of an order; as text, a `-` before it means from high to low."""

    field: BreakSort
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.field.value}" if self.descending else self.field.value


@dataclass(frozen=True, kw_only=True)
class BreakPage:
    """Some breaks of a list, in its order."""

    breaks: Sequence[Break]
    #: The cursor from which the next page goes on; None: this is the last one.
    next: str | None


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


class BreakDimension(str, Enum):
    """What breaks can be counted by."""

    ACCOUNT = "account"
    CONNECTION = "connection"
    LABEL = "label"
    SYMBOL = "symbol"
    TYPE = "type"
    SEVERITY = "severity"
    STATE = "state"
    ASSIGNEE = "assignee"
    CAUSE = "cause"


@dataclass(frozen=True, kw_only=True)
class Total:
    """How many breaks there are, and how much money they are about."""

    count: int = 0
    #: Breaks whose value is not known: they are in none of the sums.
    unknown: int = 0
    #: Value at stake by currency; empty text: neither side names one.
    values: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AgeingLine:
    """The breaks of one combination of dimensions, by age."""

    #: A value for each dimension; None or empty: there is none.
    group: tuple[str | None, ...]
    #: One number for each of `AGE_GROUPS`.
    counts: tuple[int, ...]
    total: Total


@dataclass(frozen=True, kw_only=True)
class BreakGroup:
    """Breaks of several accounts that most likely have one cause."""

    symbol: str | None
    asset_type: str | None
    #: None: breaks of any type, with one cause or ratio.
    type: str | None
    cause: str | None
    ratio: str | None
    accounts: int
    first_seen_at: datetime
    #: The highest.
    severity: DiscrepancySeverity
    total: Total


@dataclass(frozen=True, kw_only=True)
class ActivityFilter:
    """Whose actions are wanted, and of when."""

    since: datetime
    until: datetime | None = None
    #: Empty: everybody's.
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ActivityEntry:
    """What one person did to one break."""

    at: datetime
    person: str
    kind: BreakEventKind
    note: str | None
    break_id: UUID
    account_id: str
    symbol: str | None
    type: str


class BreakStore(Protocol):
    """Breaks in the database. Blocking; every method raises StorageError when the database cannot be reached."""

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
