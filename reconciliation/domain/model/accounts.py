"""What an operator registers: accounts, and the connections through which their broker is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any

from reconciliation.domain.model.calendar import read_calendar
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.domain.model.values import MAX_NAME_CHARACTERS, checked_name, exact_decimal
from reconciliation.errors import InvalidInputError

DEFAULT_CONNECTION = "default"
#: What to do about accounts on the default connection while nothing defines it.
CHOOSE_A_BROKER = (
    "add a login with `reconcile connections add NAME --broker ...` and choose it with `reconcile accounts set ACCOUNT "
    "--connection NAME`, or set RECONCILIATION_BROKER for all accounts without a connection"
)
#: Periodic work is looked for once a second; a shorter interval would promise what no beat can keep.
INTERVAL_SECONDS = (1.0, 366 * 86_400.0)
#: Redis counts in milliseconds.
FILL_TIME_SECONDS = (0.001, 86_400.0)
MAX_CURRENCY_CHARACTERS = 16
#: Where a secret may be: in a variable of the worker's environment, or in a file that the worker can read.
SECRET_PREFIXES = ("env:", "file:")


@dataclass(frozen=True, kw_only=True)
class AccountSetting:
    """One thing that an account may have of its own, for the registry, Redis, commands and docs alike."""

    name: str
    kind: type[str | float | Decimal]
    #: A sentence without its full stop.
    help: str
    #: Of a number: what it counts. Of a text: what it is.
    unit: str
    #: Bounds, both inclusive: of a number, or of the length of a text.
    lowest: float = float("-inf")
    highest: float = float("inf")
    #: Its name in the account's record in Redis, which counts in milliseconds. None: Redis does not need it.
    redis_key: str | None = None

    @property
    def option(self) -> str:
        """Return its option on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def follows_settings(self) -> bool:
        """Whether an account without a value of its own has the one of the settings, in its `ReconciliationConfig`."""
        return self.name in _CONFIG_NAMES

    def checked(self, value: Any, what: str) -> Any:
        """Return a value of this kind that is within the bounds.

        Raises:
            InvalidInputError: it is not.
        """
        if self.kind is str:
            return checked_name(value, what, max_characters=round(self.highest))
        number = exact_decimal(value, what)
        if not self.lowest <= number <= self.highest:
            raise InvalidInputError(f"{what} is {value!r}: it must be between {self.lowest:g} and {self.highest:g}")
        return number if self.kind is Decimal else float(number)


def _text(unit: str, text: str, max_characters: int = MAX_NAME_CHARACTERS) -> Mapping[str, Any]:
    return {"kind": str, "unit": unit, "help": text, "highest": max_characters}


def _decimal(unit: str, text: str) -> Mapping[str, Any]:
    return {"kind": Decimal, "unit": unit, "help": text}


def _seconds(text: str, redis_key: str | None = None, *bounds: float) -> Mapping[str, Any]:
    between = dict(zip(("lowest", "highest"), bounds, strict=False))
    return {"kind": float, "unit": "seconds", "help": text, "redis_key": redis_key, **between}


def _age(unit: str, text: str) -> Mapping[str, Any]:
    return {"kind": float, "unit": unit, "help": f"{text}. 0 means any age", "lowest": 0.0}


@dataclass(frozen=True, kw_only=True)
class RegisteredAccount:
    """One account of the schedule. What is None follows the settings.

    To add a setting: a field here, a column in `AccountRow` with its migration, and what reads it.
    """

    account_id: str
    enabled: bool = True
    connection: str = field(
        default=DEFAULT_CONNECTION, metadata=_text("name", "The connection (broker login) that knows the account")
    )
    broker_account_id: str | None = field(
        default=None, metadata=_text("id", "The account's id at the broker, if it differs")
    )
    interval_seconds: float | None = field(
        default=None, metadata=_seconds("The time between two periodic runs", "interval_ms", *INTERVAL_SECONDS)
    )
    cash_tolerance: Decimal | None = field(
        default=None, metadata=_decimal("amount", "The largest cash difference that is no finding")
    )
    equity_tolerance_pct: Decimal | None = field(
        default=None,
        metadata=_decimal(
            "percent", "The largest equity difference that is no finding, in percent of the local equity"
        ),
    )
    post_fill_delay_seconds: float | None = field(
        default=None,
        metadata=_seconds("The time without a fill after which a burst of fills is followed by a run", "delay_ms"),
    )
    post_fill_max_wait_seconds: float | None = field(
        default=None,
        metadata=_seconds("The longest time between the first fill of a burst and its run", "max_wait_ms"),
    )
    post_fill_backoff_seconds: float | None = field(
        default=None,
        metadata=_seconds(
            "The time after an incomplete post-fill run until it is tried again. It doubles each time",
            "backoff_ms",
            *FILL_TIME_SECONDS,
        ),
    )
    post_fill_max_backoff_seconds: float | None = field(
        default=None,
        metadata=_seconds("The longest time between two such attempts", "max_backoff_ms", *FILL_TIME_SECONDS),
    )
    run_lease_seconds: float | None = field(
        default=None,
        metadata=_seconds(
            "The longest time of a post-fill run. A value below the setting of the same name has no effect",
            "lease_ms",
            *FILL_TIME_SECONDS,
        ),
    )
    read_timeout_seconds: float | None = field(
        default=None,
        metadata=_seconds("The longest time of one read of either side. After that, the run is incomplete"),
    )
    max_broker_age_seconds: float | None = field(
        default=None, metadata=_age("seconds", "An older answer of a live broker makes the run incomplete")
    )
    max_statement_age_business_days: float | None = field(
        default=None, metadata=_age("days", "A statement older than this many business days makes the run incomplete")
    )
    max_local_age_business_days: float | None = field(
        default=None, metadata=_age("days", "A local book older than this many business days makes the run incomplete")
    )
    currency: str | None = field(
        default=None, metadata=_text("code", "The currency of the account's cash and equity", MAX_CURRENCY_CHARACTERS)
    )
    tolerances: tuple[ToleranceRule, ...] = ()
    labels: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        checked_name(self.account_id, "account id")
        whose = f"account {self.account_id!r}"
        for label in self.labels:
            checked_name(label, f"{whose}: label")
        for setting in ACCOUNT_SETTINGS:
            value = getattr(self, setting.name)
            if value is not None:
                object.__setattr__(self, setting.name, setting.checked(value, f"{whose}: {setting.name}"))
        first, most = self.post_fill_backoff_seconds, self.post_fill_max_backoff_seconds
        if first is not None and most is not None and most < first:
            raise InvalidInputError(
                f"{whose}: post_fill_max_backoff_seconds ({most:g}) is below post_fill_backoff_seconds ({first:g})"
            )

    def config(self, defaults: ReconciliationConfig) -> ReconciliationConfig:
        """Return the configuration of this account's runs; what it leaves open is as in `defaults`.

        Raises:
            InvalidInputError: the values together cannot work.
        """
        local = {
            name: getattr(self, name) if getattr(self, name) is not None else getattr(defaults, name)
            for name in CONFIG_SETTINGS
        }
        return ReconciliationConfig(
            account_id=self.account_id,
            enabled=self.enabled,
            tolerances=(*defaults.tolerances, *self.tolerances),
            calendar=defaults.calendar,
            **local,
        )


ACCOUNT_FIELDS = tuple(each.name for each in fields(RegisteredAccount))
ACCOUNT_SETTINGS = tuple(
    AccountSetting(name=each.name, **each.metadata) for each in fields(RegisteredAccount) if each.metadata
)
_CONFIG_NAMES = frozenset(each.name for each in fields(ReconciliationConfig))
#: Names of those that an account's `ReconciliationConfig` has, too.
CONFIG_SETTINGS = tuple(each.name for each in ACCOUNT_SETTINGS if each.follows_settings)


_AGE_OPTIONS = ("max_broker_age_seconds", "max_statement_age_business_days", "max_local_age_business_days")
#: Options that every connection may have, whatever its broker.
COMMON_OPTIONS = (*_AGE_OPTIONS, "zone", "holidays")


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
        checked_name(self.name, "connection name")
        for secret, reference in self.secrets.items():
            prefix = next((known for known in SECRET_PREFIXES if reference.startswith(known)), None)
            if prefix is None or len(reference) == len(prefix):
                # Not repeated: it may be the secret itself, given by mistake.
                raise InvalidInputError(
                    f"connection {self.name!r}: secret {secret!r} must be a reference, env:VARIABLE or file:/path, "
                    "not the secret itself"
                )
        self.config(ReconciliationConfig(self.name))
        rate, concurrency = self.requests_per_second, self.concurrency
        if rate is not None and not 0 < rate < float("inf"):
            raise InvalidInputError(
                f"connection {self.name!r}: requests_per_second is {rate!r}: it must be more than 0"
            )
        if concurrency is not None and concurrency < 1:
            raise InvalidInputError(f"connection {self.name!r}: concurrency is {concurrency!r}: it must be at least 1")

    @property
    def broker_options(self) -> Mapping[str, Any]:
        """Return the options of the broker itself: what it is opened with."""
        return {name: value for name, value in self.options.items() if name not in COMMON_OPTIONS}

    def config(self, defaults: ReconciliationConfig) -> ReconciliationConfig:
        """Return the defaults of this login's accounts: its `COMMON_OPTIONS`, and for the others `defaults`.

        Raises:
            InvalidInputError: an option cannot be read.
        """
        changes: dict[str, Any] = {
            name: float(exact_decimal(self.options[name], f"connection {self.name!r}: {name}"))
            for name in _AGE_OPTIONS
            if name in self.options
        }
        if "zone" in self.options or "holidays" in self.options:
            zone = self.options.get("zone", defaults.calendar.zone)
            holidays = self.options.get("holidays", [str(day) for day in defaults.calendar.holidays])
            changes["calendar"] = read_calendar(zone, holidays)
        return replace(defaults, **changes) if changes else defaults

    def in_flight_limit(self, sweep_size: int, sweep_seconds: float) -> int | None:
        """Return how many accounts of a slow login may be under way: what it can answer in the time of one sweep.

        None: no rate is set, and any number may be under way.
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
    #: Whether a connection `default` is registered. The settings may define one instead.
    default_is_registered: bool = True


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
