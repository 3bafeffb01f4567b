"""Secrets by reference: what is stored says where a secret is; it is looked up when a connection is opened."""

import os
from collections.abc import Mapping
from pathlib import Path

from reconciliation.errors import ConfigurationError

MAX_SECRET_BYTES = 64 * 1024


def resolve_secrets(references: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that `env:VARIABLE` and `file:/path` refer to.

    Raises:
        ConfigurationError: a variable is not set or a file cannot be read; never repeats a secret.
    """
    return {name: _resolve(name, reference) for name, reference in references.items()}


def _resolve(name: str, reference: str) -> str:
    kind, _, place = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(place, "")
        if not secret:
            raise ConfigurationError(f"secret {name!r}: the variable {place} is not set in this worker's environment")
        return secret
    if kind == "file":
        try:
            with Path(place).open("rb") as file:
                secret = file.read(MAX_SECRET_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"secret {name!r}: the file {place} cannot be read ({type(error).__name__})"
            ) from None
        if not secret:
            raise ConfigurationError(f"secret {name!r}: the file {place} is empty")
        return secret
    raise ConfigurationError(f"secret {name!r} is not a reference: write env:VARIABLE or file:/path")
