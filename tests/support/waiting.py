"""Waiting on conditions: with a bound, and never by sleeping for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], T], timeout_seconds: float = 30, what: str = "") -> T:
    """Return the first true value of `condition`, or fail after a generous bound."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout_seconds:g} s: {what or condition}; last: {value!r}")
        time.sleep(POLL_SECONDS)
