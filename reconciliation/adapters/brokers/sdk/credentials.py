"""What an SDK needs before it can be used: its package, and secrets that are kept out of everything people read."""

from collections.abc import Collection, Mapping
from importlib.util import find_spec

from reconciliation.errors import ConfigurationError
from reconciliation.support.redaction import MIN_HIDDEN_CHARACTERS


class Credentials:
    """Secret values by name. Their `repr` shows the names alone.

    Args:
        broker: the plug-in's name, for messages.
        secrets: plain values by name.
        known: the names that this broker can use; any other is a mistake.
    """

    def __init__(self, broker: str, secrets: Mapping[str, str], known: Collection[str]) -> None:
        unknown = sorted(set(secrets) - set(known))
        if unknown:
            raise ConfigurationError(
                f"broker {broker!r} has no secret {', '.join(map(repr, unknown))}; its secrets are: {', '.join(known)}"
            )
        self._broker = broker
        self._secrets = {name: value for name, value in secrets.items() if value}

    def values(self) -> Mapping[str, str]:
        """Return all non-empty values by name."""
        return dict(self._secrets)

    def require(self, *names: str) -> None:
        """Raise ConfigurationError unless all of these are given."""
        missing = [name for name in names if name not in self._secrets]
        if missing:
            raise ConfigurationError(f"broker {self._broker!r} needs the secret {', '.join(map(repr, missing))}")

    def hide(self, text: str) -> str:
        """Return `text` with every secret redacted: a server's answer may quote what it was sent."""
        # The longest first: one secret may be the beginning of another.
        for value in sorted(self._secrets.values(), key=len, reverse=True):
            if len(value) >= MIN_HIDDEN_CHARACTERS:
                text = text.replace(value, "[secret]")
        return text

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._secrets))})"


def require_extra(extra: str, package: str) -> None:
    """Raise ConfigurationError unless the package of that extra is installed. The package is not loaded."""
    if find_spec(package) is None:
        raise ConfigurationError(
            f"broker {extra!r} needs the package {package!r}, which is not installed: "
            f"pip install 'reconciliation-workers[{extra}]'"
        )
