"""Our part of one Redis server: the client, the server's address for messages, and the prefix of our keys.

Everything in this folder is built on a space, so that errors are explained and scripts are run in one place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import redis
import redis.asyncio

from reconciliation.adapters.redis.client import connect, connect_async, explain
from reconciliation.adapters.redis.script import AsyncLuaScript, LuaScript, with_prefix
from reconciliation.errors import CoordinationError
from reconciliation.settings import Settings

#: What the public names of channels and streams begin with; a space with another prefix has them under its own.
PUBLIC_PREFIX = "reconciliation:"


class _Space:
    def __init__(self, address: str, prefix: str) -> None:
        self.address = address
        self.prefix = prefix

    def own_name(self, name: str) -> str:
        """Return the name that a channel or stream has here: two spaces in one Redis do not mix."""
        return self.prefix + name.removeprefix(PUBLIC_PREFIX) if name.startswith(PUBLIC_PREFIX) else name

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an error of redis-py into a `CoordinationError` whose sentence names this server."""
        try:
            yield
        except redis.RedisError as error:
            raise explain(error, self.address) from error


class RedisSpace(_Space):
    """A space for callers that block. Safe to share between threads, not across a fork.

    Args:
        client: it decodes responses, and is closed by its owner.
        address: the server's URL without secrets.
        prefix: what every key, channel and stream begins with.
        replicas: what must not be lost is confirmed by this many replicas.
        replica_timeout_ms: how long they may take.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        address: str,
        prefix: str,
        replicas: int = 0,
        replica_timeout_ms: int = 1_000,
    ) -> None:
        super().__init__(address, prefix)
        self.client = client
        self.replicas = replicas
        self.replica_timeout_ms = replica_timeout_ms

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the space of the settings; nothing is connected before its first use."""
        client = connect(settings.redis_url.get_secret_value(), settings.redis_timeout_seconds)
        return cls(
            client,
            address=settings.redis_address,
            prefix=settings.key_prefix,
            replicas=settings.fill_replicas,
            replica_timeout_ms=round(settings.replica_timeout_seconds * 1000),
        )

    def require_replicas(self, confirmed: int) -> None:
        """Accept what enough replicas have confirmed.

        Raises:
            CoordinationError: a failover could lose it.
        """
        if confirmed < self.replicas:
            raise CoordinationError(
                f"Redis at {self.address} has it, but {confirmed} of {self.replicas} replicas confirmed it within "
                f"{self.replica_timeout_ms} ms, and a failover could lose it: try again under the same id"
            )

    def script(self, source: str) -> LuaScript:
        """Return a script that runs here; it finds our prefix in the local variable `PREFIX`."""
        return LuaScript(self.client, with_prefix(source, self.prefix), self.explained)


class AsyncRedisSpace(_Space):
    """The same for one event loop."""

    def __init__(self, client: redis.asyncio.Redis, *, address: str, prefix: str) -> None:
        super().__init__(address, prefix)
        self.client = client

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the space of the settings; nothing is connected before its first use."""
        client = connect_async(settings.redis_url.get_secret_value(), settings.redis_timeout_seconds)
        return cls(client, address=settings.redis_address, prefix=settings.key_prefix)

    def script(self, source: str) -> AsyncLuaScript:
        """Return a script that runs here; it finds our prefix in the local variable `PREFIX`."""
        return AsyncLuaScript(self.client, with_prefix(source, self.prefix))
