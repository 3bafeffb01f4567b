"""Options of a broker: each is read by name and kind, and an unknown one is an error."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import ConfigurationError, InvalidInputError
from reconciliation.ports.broker import BrokerLimits

DEFAULT_TIMEOUT_SECONDS = Decimal(10)
MAX_TIMEOUT_SECONDS = 120
MAX_CONCURRENCY = 64


class BrokerOptions:
    """The options of one broker. Every reader raises ConfigurationError naming broker and option.

    Call `check_all_read` last: an option that was never read is a typing error, and is refused.
    """

    def __init__(self, broker: str, options: Mapping[str, Any]) -> None:
        self._broker = broker
        self._options = options
        self._read: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str:
        """Return a non-empty text; without a default the option is required."""
        value = self._take(name, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.has(name) else None

    def path(self, name: str) -> Path:
        return Path(self.text(name)).expanduser()

    def number(self, name: str, default: Decimal | float | None = None) -> Decimal:
        """Return a finite number that is not negative; without a default the option is required."""
        value = self._take(name, default)
        try:
            number = exact_decimal(value, name)
        except InvalidInputError:
            raise self.wrong(name, "a number") from None
        if number < 0:
            raise self.wrong(name, "a number that is not negative")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def table(self, name: str) -> Mapping[str, Any]:
        value = self._take(name, None)
        if not isinstance(value, Mapping):
            raise self.wrong(name, "an object")
        return value

    def is_table(self, name: str) -> bool:
        """Say whether an object was given."""
        return self.has(name) and isinstance(self._options[name], Mapping)

    def items(self, name: str) -> list[Any] | None:
        """Return a list, None if it was not given."""
        if not self.has(name):
            return None
        value = self._options[name]
        if not isinstance(value, (list, tuple)):
            raise self.wrong(name, "a list")
        return list(value)

    def has(self, name: str) -> bool:
        """Say whether the option was given; None counts as not given."""
        self._read.add(name)
        return self._options.get(name) is not None

    def wrong(self, name: str, expected: str) -> ConfigurationError:
        """Return the error for an option of the wrong kind. The value stays out: it might be a secret."""
        return ConfigurationError(f"broker {self._broker!r}: option {name!r} must be {expected}")

    def check_all_read(self) -> None:
        """Raise ConfigurationError for options that this broker does not know."""
        unknown = sorted(set(self._options) - self._read)
        if unknown:
            known = ", ".join(sorted(self._read)) or "none"
            raise ConfigurationError(
                f"broker {self._broker!r} has no option {', '.join(map(repr, unknown))}; its options are: {known}"
            )

    def _take(self, name: str, default: Any) -> Any:
        self._read.add(name)
        value = self._options.get(name)
        if value is not None:
            return value
        if default is None:
            raise ConfigurationError(f"broker {self._broker!r} needs the option {name!r}")
        return default


def read_timeout(options: BrokerOptions) -> float:
    """Return `timeout_seconds`: for one request, from connecting to the last byte."""
    seconds = options.number("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise options.wrong("timeout_seconds", f"a number above 0, at most {MAX_TIMEOUT_SECONDS}")
    return float(seconds)


def read_limits(options: BrokerOptions, documented: BrokerLimits) -> BrokerLimits:
    """Return the documented limits, or what the operator has agreed with the broker instead."""
    rate = documented.requests_per_second
    if options.has("requests_per_second"):
        rate = float(options.number("requests_per_second"))
        if not rate > 0:
            raise options.wrong("requests_per_second", "a number above 0")
    concurrency = options.number("concurrency", documented.concurrency)
    if concurrency not in range(1, MAX_CONCURRENCY + 1):
        raise options.wrong("concurrency", f"a whole number from 1 to {MAX_CONCURRENCY}")
    return BrokerLimits(
        requests_per_second=rate,
        concurrency=int(concurrency),
        requests_per_account=documented.requests_per_account,
    )
