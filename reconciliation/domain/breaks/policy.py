"""What an operator may choose about breaks, as data: when one is confirmed, material, severe, or too many. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.breaks.break_ import Amounts, BreakKey
from reconciliation.domain.breaks.likely_causes import Finding
from reconciliation.domain.model.models import DISCREPANCY_TRAITS, DiscrepancySeverity, DiscrepancyType, ValueAtStake
from reconciliation.domain.model.values import EXACT, exact_decimal
from reconciliation.errors import InvalidInputError

_RANK = {severity: rank for rank, severity in enumerate(DiscrepancySeverity)}


def highest(severities: Iterable[DiscrepancySeverity]) -> DiscrepancySeverity:
    return max(severities, key=_RANK.__getitem__)


def is_higher(severity: DiscrepancySeverity, than: DiscrepancySeverity) -> bool:
    return _RANK[severity] > _RANK[than]


@dataclass(frozen=True, kw_only=True)
class SeverityRule:
    """Raises a severity where all that it names holds. It never lowers one."""

    severity: DiscrepancySeverity
    type: DiscrepancyType | None = None
    #: The absolute difference is at least this, in the finding's own unit.
    min_difference: Decimal | None = None
    #: Seen for at least this long.
    min_age_seconds: float | None = None
    #: The value at stake is at least this, in `currency` where that is named. An unknown value raises nothing.
    min_value: Decimal | None = None
    currency: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", DiscrepancySeverity(self.severity))
        if self.type is not None:
            object.__setattr__(self, "type", DiscrepancyType(self.type))
        for name in ("min_difference", "min_value"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, exact_decimal(getattr(self, name), name))
        if self.min_difference is None and self.min_age_seconds is None and self.min_value is None:
            raise InvalidInputError("a severity rule needs at least one of min_difference, min_age_seconds, min_value")
        if self.currency is not None and self.min_value is None:
            raise InvalidInputError("a severity rule with a currency needs min_value")

    def applies_to(self, found: Finding, age: timedelta) -> bool:
        return (
            self.type in (None, found.key.type)
            and (self.min_difference is None or abs(found.amounts.difference) >= self.min_difference)
            and (self.min_age_seconds is None or age.total_seconds() >= self.min_age_seconds)
            and (self.min_value is None or self._is_worth_it(found.value, self.min_value))
        )

    def _is_worth_it(self, value: ValueAtStake | None, least: Decimal) -> bool:
        return value is not None and self.currency in (None, value.currency) and value.amount >= least


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The looks at a break that agree so far: that it is there, or that it is gone."""

    first_at: datetime | None
    #: Since the last fill that may explain it.
    counted_from: datetime | None
    count: int
    last_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class BreakPolicy:
    """The rules of the life of breaks."""

    #: Sightings before a break is open: 1 opens it at once.
    confirmations: int = 2
    #: The least time between two sightings that count: longer than a fill is in flight.
    confirmation_delay_seconds: float = 5.0
    #: A suspicion that every run kept seeing for this long is opened, though fills went on or reads were not fresh.
    max_suspicion_seconds: float = 600.0
    #: Confirmation runs for one suspicion; then the ordinary runs decide.
    max_confirmation_runs: int = 3
    #: More breaks than this opened by one run are one systemic event.
    flood_cap: int = 50
    #: A flood in this number of runs in a row is real: its breaks become cases, without an event for each.
    flood_runs_before_cases: int = 3
    #: Runs in a row that changed nothing before an account's trouble is published.
    failed_runs_before_alert: int = 3
    #: An account is overdue after this many of its intervals.
    missed_slot_intervals: float = 1.5
    #: Cash, equity and cost: a difference that moved by more than this percent of what was published is news.
    material_change_pct: Decimal = Decimal(10)
    severity_rules: tuple[SeverityRule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "material_change_pct", exact_decimal(self.material_change_pct, "material_change_pct"))
        for name in ("confirmations", "flood_cap", "flood_runs_before_cases"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}: it must be at least 1")

    def severity(self, found: Finding, age: timedelta) -> DiscrepancySeverity:
        """Return the finding's own severity, raised by the rules that apply."""
        raised = (rule.severity for rule in self.severity_rules if rule.applies_to(found, age))
        return highest([found.severity, *raised])

    def is_material(self, key: BreakKey, published: Amounts, now: Amounts, limit: Decimal | None = None) -> bool:
        """Say whether the difference moved enough from what was published; `limit` is an operator's own bound."""
        moved = EXACT.abs(EXACT.subtract(now.difference, published.difference))
        if limit is not None:
            return moved > limit
        if DISCREPANCY_TRAITS[key.type].is_exact:
            return moved != 0
        allowed = EXACT.multiply(self.material_change_pct, EXACT.abs(published.difference))
        return EXACT.multiply(moved, Decimal(100)) > allowed

    def is_confirmed(self, looks: Looks, read_at: datetime, at: datetime, *, disturbed: bool) -> bool:
        """Say whether one more look, by reads of `read_at` in a run of `at`, confirms what the looks before it saw.

        It does where there were enough reads, far enough apart that a fill in flight has landed, and no fill
        disturbed them. What every run saw for `max_suspicion_seconds` is confirmed too: a busy account must not
        hide a real break.
        """
        if self.confirmations <= 1:
            return True
        if looks.first_at is None or looks.counted_from is None or looks.last_at is None:
            return False
        if at - looks.first_at >= timedelta(seconds=self.max_suspicion_seconds):
            return True
        spacing = timedelta(seconds=self.confirmation_delay_seconds * (self.confirmations - 1))
        enough = looks.count + 1 >= self.confirmations and read_at - looks.counted_from >= spacing
        return enough and read_at > looks.last_at and not disturbed
