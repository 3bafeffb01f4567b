"""The words of the domain as types: discrepancies, configuration, results, fills."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

from reconciliation.domain.model.calendar import BusinessCalendar
from reconciliation.domain.model.tolerance import ToleranceRule
from reconciliation.domain.model.values import aware_utc, exact_decimal
from reconciliation.errors import InvalidInputError, ReadError


class AssetType(str, Enum):
    """What kind of instrument a position is in. Part of a position's key."""

    STOCK = "stock"
    OPTION = "option"
    FUTURE = "future"
    FUTURE_OPTION = "future_option"
    FUND = "fund"
    BOND = "bond"
    CRYPTO = "crypto"
    SWAP = "swap"
    FOREX = "forex"
    CFD = "cfd"
    WARRANT = "warrant"
    OTHER = "other"


class DiscrepancyType(str, Enum):
    """How the two books differ."""

    MISSING_LOCAL = "missing_local"  # the broker has it, we don't
    MISSING_BROKER = "missing_broker"  # we have it, the broker doesn't
    QUANTITY_MISMATCH = "quantity_mismatch"
    COST_MISMATCH = "cost_mismatch"
    CASH_MISMATCH = "cash_mismatch"
    EQUITY_MISMATCH = "equity_mismatch"


class DiscrepancySeverity(str, Enum):
    """How much an operator should care."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Measure(str, Enum):
    """What is compared."""

    QUANTITY = "quantity"
    COST = "cost"
    CASH = "cash"
    EQUITY = "equity"


class Level(str, Enum):
    """Whether a discrepancy is of one holding or of the whole account."""

    POSITION = "position"
    ACCOUNT = "account"


@dataclass(frozen=True, kw_only=True)
class DiscrepancyTraits:
    """What the rules need to know of a type of discrepancy."""

    severity: DiscrepancySeverity
    level: Level
    measure: Measure
    #: A difference of whole positions does not drift by itself: any move of it is news. Money drifts with the market.
    is_exact: bool


#: The one table of discrepancy types: a new type is a row here, and the comparator's code that finds it.
DISCREPANCY_TRAITS: Mapping[DiscrepancyType, DiscrepancyTraits] = {
    kind: DiscrepancyTraits(severity=severity, level=level, measure=measure, is_exact=measure is Measure.QUANTITY)
    for kind, severity, level, measure in (
        (DiscrepancyType.MISSING_LOCAL, DiscrepancySeverity.CRITICAL, Level.POSITION, Measure.QUANTITY),
        (DiscrepancyType.MISSING_BROKER, DiscrepancySeverity.CRITICAL, Level.POSITION, Measure.QUANTITY),
        (DiscrepancyType.QUANTITY_MISMATCH, DiscrepancySeverity.CRITICAL, Level.POSITION, Measure.QUANTITY),
        (DiscrepancyType.COST_MISMATCH, DiscrepancySeverity.INFO, Level.POSITION, Measure.COST),
        (DiscrepancyType.CASH_MISMATCH, DiscrepancySeverity.WARNING, Level.ACCOUNT, Measure.CASH),
        (DiscrepancyType.EQUITY_MISMATCH, DiscrepancySeverity.WARNING, Level.ACCOUNT, Measure.EQUITY),
    )
}

DEFAULT_SEVERITY_MAP: Mapping[DiscrepancyType, DiscrepancySeverity] = {
    kind: traits.severity for kind, traits in DISCREPANCY_TRAITS.items()
}


@dataclass(frozen=True, kw_only=True)
class NotCompared:
    """What one run could not compare: a measure of one holding, of one currency, or (neither named) of the account."""

    measure: Measure
    symbol: str | None = None
    asset_type: AssetType | None = None
    currency: str | None = None
    #: Why, for people. It does not change what was not compared.
    reason: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return it as people and JSON see it: `cash`, `cash EUR`, `cost AAPL`, `equity: USD against EUR`."""
        subject = self.symbol or self.currency
        words = self.measure.value if subject is None else f"{self.measure.value} {subject}"
        return words if self.reason is None else f"{words}: {self.reason}"


class Trigger(str, Enum):
    """Why a run was made. The `trigger` of a run's context."""

    STARTUP = "startup"
    PERIODIC = "periodic"
    ON_DEMAND = "on_demand"
    POST_FILL = "post_fill"
    CONFIRMATION = "confirmation"


class Outcome(str, Enum):
    """How a run ended."""

    CLEAN = "clean"
    DISCREPANCIES = "discrepancies"
    INCOMPLETE = "incomplete"  # a side could not be read reliably; nothing was compared


class OrderSide(str, Enum):
    """Which way an order went."""

    BUY = "buy"
    SELL = "sell"


class ValueBasis(str, Enum):
    """From what a value at stake was worked out."""

    MARKET_VALUE = "market_value"  # the broker's market value of the holding
    COST = "cost"  # the average cost: the broker gives no market value
    AMOUNT = "amount"  # cash and equity are money themselves


@dataclass(frozen=True, kw_only=True)
class ValueAtStake:
    """How much money a difference is about. There is none where a price, or a contract's multiplier, is not known."""

    amount: Decimal
    #: None: neither side names it.
    currency: str | None
    basis: ValueBasis


@dataclass(frozen=True)
class Discrepancy:
    """One finding of one run. `symbol` and `asset_type` are None at account level.

    A missing side's value is None, a present side's is its quantity; a cost mismatch carries the costs.
    """

    type: DiscrepancyType
    severity: DiscrepancySeverity
    symbol: str | None
    local_value: Decimal | None
    broker_value: Decimal | None
    timestamp: datetime
    account_id: str
    asset_type: AssetType | None = None
    currency: str | None = None
    #: A hint, without evidence: the other side may hold this under that symbol, which has a finding of its own.
    other_symbol: str | None = None
    #: The values are gross quantities, long plus short: the net ones agree, but the legs behind them do not.
    is_gross: bool = False
    #: None: not known, which is not zero.
    value: ValueAtStake | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamp", aware_utc(self.timestamp))


@dataclass
class ReconciliationConfig:
    """How one account is reconciled. Mutable: a running service follows a change at once."""

    account_id: str
    #: Seconds between periodic runs; fractions are valid.
    interval_seconds: float = 300
    #: Quiet seconds after the last fill of a burst before its run.
    post_fill_delay_seconds: float = 5.0
    #: Absolute, in account currency; a difference of exactly this is within it.
    cash_tolerance: Decimal = Decimal("1.00")
    #: Percent of the absolute local equity, inclusive: 0.1 means 0.1 %.
    equity_tolerance_pct: Decimal = Decimal("0.1")
    enabled: bool = True
    #: Ceiling: no run later than this after the first fill of a burst.
    post_fill_max_wait_seconds: float = 60.0
    #: Exceptions from the default tolerances of quantity and cost; the most specific rule wins.
    tolerances: tuple[ToleranceRule, ...] = ()
    #: Seconds after which reading a side is given up and the run is `incomplete`.
    read_timeout_seconds: float = 30.0
    #: The greatest age of a side that states its time; an older one makes the run `incomplete`. 0: any age.
    max_broker_age_seconds: float = 900.0
    max_statement_age_business_days: float = 3
    max_local_age_business_days: float = 3
    calendar: BusinessCalendar = field(default_factory=BusinessCalendar)

    def __post_init__(self) -> None:
        self.validate()
        self._watchers: list[Callable[[], object]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field and call the watchers. A value that cannot work is refused and the old one stays."""
        watchers = self.__dict__.get("_watchers")
        if name in ("cash_tolerance", "equity_tolerance_pct"):
            value = exact_decimal(value, name)
        before = self.__dict__.get(name)
        object.__setattr__(self, name, value)
        if watchers is None:  # still under construction
            return
        try:
            self.validate()
        except InvalidInputError:
            object.__setattr__(self, name, before)
            raise
        for watcher in tuple(watchers):
            watcher()

    def watch(self, watcher: Callable[[], object]) -> Callable[[], None]:
        """Have `watcher` called after each change, in the thread that makes it; returns what ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def validate(self) -> None:
        """Raise InvalidInputError, naming the field, for a value that cannot work."""
        if not self.account_id:
            raise InvalidInputError("account_id is empty")
        for name in ("interval_seconds", "post_fill_max_wait_seconds", "read_timeout_seconds"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"{name} is {getattr(self, name)!r}: it must be more than 0")
        if not self.post_fill_delay_seconds >= 0:
            raise InvalidInputError(
                f"post_fill_delay_seconds is {self.post_fill_delay_seconds!r}: it must not be negative"
            )
        if self.post_fill_max_wait_seconds < self.post_fill_delay_seconds:
            raise InvalidInputError(
                f"post_fill_max_wait_seconds ({self.post_fill_max_wait_seconds}) is below "
                f"post_fill_delay_seconds ({self.post_fill_delay_seconds}): the ceiling would end every window early"
            )
        for name in (
            "cash_tolerance",
            "equity_tolerance_pct",
            "max_broker_age_seconds",
            "max_statement_age_business_days",
            "max_local_age_business_days",
        ):
            if getattr(self, name) < 0:
                raise InvalidInputError(f"{name} is {getattr(self, name)}: it must not be negative")


@dataclass(frozen=True, kw_only=True)
class RunError:
    """Why a run is incomplete: the stable `kind` of the error, the side that failed, a sentence."""

    kind: str
    side: str  # "local", "broker", or "registry": the account itself is not known
    message: str
    retryable: bool = True

    @classmethod
    def of(cls, error: ReadError, side: str) -> "RunError":
        return cls(kind=error.kind, side=side, message=str(error), retryable=error.retryable)


@dataclass(frozen=True)
class ReconciliationResult:
    """What one run found. `is_clean` is False for an incomplete run: nothing is known to be right."""

    account_id: str
    timestamp: datetime
    is_clean: bool
    discrepancies: list[Discrepancy]
    positions_checked: int
    duration_ms: float
    context: dict[str, Any]
    run_id: UUID = field(default_factory=uuid4)
    #: Why the run is incomplete; None for a complete run.
    error: RunError | None = None
    #: What could not be compared, although both sides were read.
    not_compared: tuple[NotCompared, ...] = ()
    #: When each side's numbers were true, as far as the side says; else when it was asked.
    local_as_of: datetime | None = None
    broker_as_of: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamp", aware_utc(self.timestamp))

    @property
    def outcome(self) -> Outcome:
        if self.error is not None:
            return Outcome.INCOMPLETE
        return Outcome.CLEAN if self.is_clean else Outcome.DISCREPANCIES


@dataclass(frozen=True)
class OrderFill:
    """A fill as an order service reports it. Only a hint to look: it is never booked."""

    fill_id: str
    order_id: str
    symbol: str
    side: OrderSide | str
    quantity: Decimal
    price: Decimal
    timestamp: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", exact_decimal(self.quantity, "quantity"))
        object.__setattr__(self, "price", exact_decimal(self.price, "price"))
        object.__setattr__(self, "timestamp", aware_utc(self.timestamp))
