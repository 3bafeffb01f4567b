"""Saying early that an SDK is not installed, without loading it."""

from importlib.util import find_spec

from reconciliation.errors import ConfigurationError


def require_extra(extra: str, package: str) -> None:
    """Raise ConfigurationError unless the package of that extra is installed."""
    if find_spec(package) is None:
        raise ConfigurationError(
            f"broker {extra!r} needs the package {package!r}, which is not installed: "
            f"pip install 'reconciliation-workers[{extra}]'"
        )
