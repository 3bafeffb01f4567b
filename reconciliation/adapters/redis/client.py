"""The one factory of our Redis clients, and the one translator of their errors.

redis-py's own defaults (no time-out, ten retries, RESP3) are said differently here, each for a reason.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from reconciliation.errors import ConfigurationError, CoordinationError

#: A command is sent at most this often; scripts stand being run twice.
COMMAND_ATTEMPTS = 3
RETRY_BASE_SECONDS = 0.05
RETRY_CAP_SECONDS = 0.5
#: A connection that was idle for longer is checked before it is used.
HEALTH_CHECK_INTERVAL_SECONDS = 10

_NOT_UNDERSTOOD = (
    "the Redis URL is not understood: write redis://[user:password@]host:port/database, "
    "rediss:// for TLS or unix:///path/to.sock"
)


def connect(url: str, timeout_seconds: float) -> redis.Redis:
    """Return a client that speaks text; it connects on first use, and is not to be shared across a fork.

    Args:
        url: redis://, rediss:// or unix://, with its password if there is one.
        timeout_seconds: for connecting and for one answer. A server that is away costs `COMMAND_ATTEMPTS` of them.

    Raises:
        ConfigurationError: the URL is not one of a Redis server. The message does not repeat it.
    """
    try:
        return redis.Redis.from_url(url, retry=Retry(_backoff(), COMMAND_ATTEMPTS - 1), **_limits(url, timeout_seconds))
    except ValueError:
        # Not chained: the error may hold a piece of the URL, and that a piece of the password.
        raise ConfigurationError(_NOT_UNDERSTOOD) from None


#: The first class that fits speaks; `{error}` is redis-py's own text, which never holds a password.
_REASONS: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.AuthenticationError, "refuses the password: check user and password in RECONCILIATION_REDIS_URL"),
    (redis.exceptions.NoPermissionError, "forbids a command to this user: {error}"),
    (redis.BusyLoadingError, "is still loading its data: wait, then try again"),
    (redis.exceptions.MaxConnectionsError, "cannot be asked: this process uses every connection of its pool"),
    (redis.TimeoutError, "does not answer in time: check the server's load and the network"),
    (
        redis.ConnectionError,
        "cannot be reached: check that it runs and that RECONCILIATION_REDIS_URL is right ({error})",
    ),
    (redis.exceptions.OutOfMemoryError, "is out of memory and refuses to write: give it more `maxmemory`"),
    (redis.exceptions.ReadOnlyError, "is a read-only replica: name the primary in RECONCILIATION_REDIS_URL"),
    (redis.RedisError, "refuses: {error}"),
)


def connect_async(url: str, timeout_seconds: float) -> redis.asyncio.Redis:
    """Return the same client for one event loop."""
    try:
        retry = AsyncRetry(_backoff(), COMMAND_ATTEMPTS - 1)
        return redis.asyncio.Redis.from_url(url, retry=retry, **_limits(url, timeout_seconds))
    except ValueError:
        raise ConfigurationError(_NOT_UNDERSTOOD) from None


def explain(error: redis.RedisError, address: str) -> CoordinationError:
    """Return the sentence for an error of redis-py. `address` is the URL without its secrets."""
    reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
    return CoordinationError(f"Redis at {address} {reason.format(error=error)}")


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(cap=RETRY_CAP_SECONDS, base=RETRY_BASE_SECONDS)


def _limits(url: str, timeout_seconds: float) -> dict[str, Any]:
    """Return what both kinds of client say explicitly."""
    limits: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "health_check_interval": HEALTH_CHECK_INTERVAL_SECONDS,
        # After a failover the old primary refuses, and keeps its connections: drop this one, and ask its name again.
        "retry_on_error": [redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError],
        # RESP2: the same answers from every server and every redis-py that we allow.
        "protocol": 2,
    }
    return limits if url.startswith("unix:") else limits | {"socket_keepalive": True}
