"""What an operator registers: accounts, and the connections through which their broker is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.domain.model.values import optional_decimal
from reconciliation.errors import InvalidInputError

DEFAULT_CONNECTION = "default"
MAX_NAME_LENGTH = 128
#: Periodic work is looked for once a second; a shorter interval would promise what no beat can keep.
MIN_INTERVAL_SECONDS = 1.0
MAX_INTERVAL_SECONDS = 366 * 86_400.0
#: Times of an account's fill window, beside its delay and its ceiling.
FILL_TIMES = ("post_fill_backoff_seconds", "post_fill_max_backoff_seconds", "run_lease_seconds")
MAX_FILL_TIME_SECONDS = 86_400.0
#: Where a secret may be: in a variable of the worker's environment, or in a file that the worker can read.
SECRET_PREFIXES = ("env:", "file:")


@dataclass(frozen=True, kw_only=True)
class RegisteredAccount:
    """One account of the schedule. A field that is None follows the settings."""

    account_id: str
    connection: str = DEFAULT_CONNECTION
    #: The account's name at the broker; None: the same as here.
    broker_account_id: str | None = None
    enabled: bool = True
    interval_seconds: float | None = None
    cash_tolerance: Decimal | None = None
    equity_tolerance_pct: Decimal | None = None
    tolerances: tuple[ToleranceRule, ...] = ()
    post_fill_delay_seconds: float | None = None
    post_fill_max_wait_seconds: float | None = None
    #: The first wait after an incomplete post-fill run; it doubles up to the second.
    post_fill_backoff_seconds: float | None = None
    post_fill_max_backoff_seconds: float | None = None
    #: How long a post-fill run may be under way before another worker takes over; one below the settings' is not used.
    run_lease_seconds: float | None = None
    read_timeout_seconds: float | None = None
    currency: str | None = None
    labels: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _check_name(self.account_id, "account id")
        _check_name(self.connection, f"account {self.account_id!r}: connection")
        for label in self.labels:
            _check_name(label, f"account {self.account_id!r}: label")
        interval = self.interval_seconds
        if interval is not None and not MIN_INTERVAL_SECONDS <= interval <= MAX_INTERVAL_SECONDS:
            raise InvalidInputError(
                f"account {self.account_id!r}: interval_seconds is {interval!r}: "
                f"it must be between {MIN_INTERVAL_SECONDS:g} and {MAX_INTERVAL_SECONDS:g}"
            )
        self._check_fill_times()
        for name in ("cash_tolerance", "equity_tolerance_pct"):
            number = optional_decimal(getattr(self, name), f"account {self.account_id!r}: {name}")
            object.__setattr__(self, name, number)

    def _check_fill_times(self) -> None:
        for name in FILL_TIMES:
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds <= MAX_FILL_TIME_SECONDS:
                raise InvalidInputError(
                    f"account {self.account_id!r}: {name} is {seconds!r}: "
                    f"it must be more than 0 and at most {MAX_FILL_TIME_SECONDS:g}"
                )
        first, most = self.post_fill_backoff_seconds, self.post_fill_max_backoff_seconds
        if first is not None and most is not None and most < first:
            raise InvalidInputError(
                f"account {self.account_id!r}: post_fill_max_backoff_seconds ({most}) is below "
                f"post_fill_backoff_seconds ({first})"
            )

    def config(self, defaults: ReconciliationConfig) -> ReconciliationConfig:
        """Return the configuration of this account's runs; what it leaves open is as in `defaults`.

        Raises:
            InvalidInputError: the fields cannot work together.
        """
        own = {
            name: getattr(self, name) if getattr(self, name) is not None else getattr(defaults, name)
            for name in _CONFIG_FIELDS
        }
        return ReconciliationConfig(
            account_id=self.account_id,
            enabled=self.enabled,
            tolerances=(*defaults.tolerances, *self.tolerances),
            **own,
        )


_CONFIG_FIELDS = (
    "interval_seconds",
    "cash_tolerance",
    "equity_tolerance_pct",
    "post_fill_delay_seconds",
    "post_fill_max_wait_seconds",
    "read_timeout_seconds",
)

ACCOUNT_FIELDS = tuple(each.name for each in fields(RegisteredAccount))


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One broker login. Its accounts share its rate limit and its concurrency, over all workers."""

    name: str
    #: A name of the entry-point group `reconciliation.brokers`.
    broker: str
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Name of a secret to where it is: `env:VARIABLE` or `file:/path`. The secret itself is never stored.
    secrets: Mapping[str, str] = field(default_factory=dict)
    #: None: what the broker's adapter declares.
    requests_per_second: float | None = None
    concurrency: int | None = None
    #: Grows with each change; 0 for one that is not registered.
    revision: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name, "connection name")
        for secret, reference in self.secrets.items():
            prefix = next((known for known in SECRET_PREFIXES if reference.startswith(known)), None)
            if prefix is None or len(reference) == len(prefix):
                # Not repeated: it may be the secret itself, given by mistake.
                raise InvalidInputError(
                    f"connection {self.name!r}: secret {secret!r} must be a reference, env:VARIABLE or file:/path, "
                    "not the secret itself"
                )
        rate, concurrency = self.requests_per_second, self.concurrency
        if rate is not None and not 0 < rate < float("inf"):
            raise InvalidInputError(
                f"connection {self.name!r}: requests_per_second is {rate!r}: it must be more than 0"
            )
        if concurrency is not None and concurrency < 1:
            raise InvalidInputError(f"connection {self.name!r}: concurrency is {concurrency!r}: it must be at least 1")

    def in_flight_limit(self, sweep_size: int, sweep_seconds: float) -> int | None:
        """Return how many accounts of a slow login may be under way: what it can answer in the time of one sweep.

        None: nobody has set its rate, and any number may be under way.
        """
        if self.requests_per_second is None:
            return None
        return max(sweep_size, round(self.requests_per_second * sweep_seconds))


@dataclass(frozen=True, kw_only=True)
class ScheduledAccount:
    """An account as the schedule's mirror needs it."""

    account: RegisteredAccount
    #: Whether it has stood in the schedule before.
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class RegistryChanges:
    """What changed up to `revision`."""

    revision: int
    accounts: Sequence[ScheduledAccount]
    removed: Sequence[str]


def rules_as_json(rules: tuple[ToleranceRule, ...]) -> list[dict[str, str]]:
    """Return tolerance rules as JSON; the account is not repeated in them."""
    return [
        {
            "measure": rule.measure,
            **{name: f"{number:f}" for name in _PARTS if (number := getattr(rule.tolerance, name))},
            **{name: text for name in ("asset_type", "symbol") if (text := getattr(rule, name)) is not None},
        }
        for rule in rules
    ]


def rules_from_json(account_id: str, rules: object) -> tuple[ToleranceRule, ...]:
    """Return the tolerance rules of an account from JSON, as `rules_as_json` writes them.

    Raises:
        InvalidInputError: a rule is not an object, has an unknown field, or a bad number.
    """
    if not isinstance(rules, list):
        raise InvalidInputError(f"account {account_id!r}: tolerances must be a list of objects")
    return tuple(_rule(account_id, rule) for rule in rules)


_PARTS = ("absolute", "relative", "unit")


def _rule(account_id: str, rule: object) -> ToleranceRule:
    allowed = {"measure", "asset_type", "symbol", *_PARTS}
    if not isinstance(rule, dict) or not rule.keys() <= allowed or "measure" not in rule:
        raise InvalidInputError(
            f"account {account_id!r}: a tolerance is an object with `measure` and any of {', '.join(sorted(allowed))}"
        )
    tolerance = Tolerance(**{name: rule[name] for name in _PARTS if name in rule})
    return ToleranceRule(
        measure=rule["measure"],
        tolerance=tolerance,
        account_id=account_id,
        asset_type=rule.get("asset_type"),
        symbol=rule.get("symbol"),
    )


def _check_name(name: str, what: str) -> None:
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise InvalidInputError(
            f"{what} {name!r} must be 1 to {MAX_NAME_LENGTH} printable characters without blanks around them"
        )
