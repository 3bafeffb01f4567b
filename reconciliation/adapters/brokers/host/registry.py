"""Brokers by name: each is an entry point of the group `reconciliation.brokers`, built in or of a third party.

An entry point is a callable `(options, secrets) -> BrokerQuery`. `options` is what an operator wrote as JSON;
`secrets` holds plain values by name, resolved by the caller, and must never reach a message or a log.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from reconciliation.errors import ConfigurationError, InvalidInputError, ReconciliationError
from reconciliation.ports.broker import BrokerQuery
from reconciliation.support.redaction import register_secret

ENTRY_POINT_GROUP = "reconciliation.brokers"

OpenBroker = Callable[[Mapping[str, Any], Mapping[str, str]], BrokerQuery]


def broker_names() -> list[str]:
    """Return the names of all brokers that are installed, sorted."""
    return sorted({entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)})


def open_broker(name: str, options: Mapping[str, Any], secrets: Mapping[str, str] | None = None) -> BrokerQuery:
    """Return the broker of that name, made from its options. Nothing is contacted yet.

    From now on no log line and no error of a run in this process shows the secrets, whatever the broker quotes.

    Raises:
        ConfigurationError: no such broker, its package is missing, or its options cannot work.
    """
    opener = _load(_find(name))
    register_secret((secrets or {}).values())
    try:
        broker = opener(options, secrets or {})
    except ConfigurationError:
        raise
    except InvalidInputError as error:
        raise ConfigurationError(f"broker {name!r}: {error}") from error
    except ReconciliationError:
        raise
    except Exception as error:  # noqa: BLE001 - a plug-in is foreign code
        # The text of a foreign error may quote a secret.
        raise ConfigurationError(
            f"broker {name!r} could not be opened ({type(error).__name__}): check its options and secrets"
        ) from None
    if not isinstance(broker, BrokerQuery):
        raise ConfigurationError(
            f"broker {name!r} opened a {type(broker).__name__}, which lacks get_positions and get_account"
        )
    return broker


def _find(name: str) -> EntryPoint:
    if ":" in name:
        return EntryPoint(name=name, value=name, group=ENTRY_POINT_GROUP)  # not installed: named by its place
    found = entry_points(group=ENTRY_POINT_GROUP, name=name)
    for entry in found:
        return entry
    raise ConfigurationError(f"there is no broker {name!r}; installed are: {', '.join(broker_names()) or 'none'}")


def _load(entry: EntryPoint) -> OpenBroker:
    try:
        opener: OpenBroker = entry.load()
    except ImportError as error:
        raise ConfigurationError(
            f"broker {entry.name!r} needs the package {error.name or entry.module!r}, which is not installed: "
            f"pip install 'reconciliation-workers[{entry.name}]'"
        ) from error
    except AttributeError as error:
        raise ConfigurationError(
            f"broker {entry.name!r} names {entry.value!r}, which its package does not have"
        ) from error
    return opener
