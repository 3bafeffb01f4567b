"""Records of the account mirror as tests write them."""

from typing import Any


def record(account_id: str, interval_ms: int, *, connection: str = "default", enabled: bool = True) -> dict[str, Any]:
    """Return a record whose grid is shifted a little by the account's name."""
    return {
        "enabled": enabled,
        "connection": connection,
        "interval_ms": interval_ms,
        "phase_ms": sum(account_id.encode()) * 37 % interval_ms,
    }
