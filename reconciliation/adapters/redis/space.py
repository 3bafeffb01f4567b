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
from reconciliation.settings import Settings


class _Space:
    def __init__(self, address: str, prefix: str) -> None:
        self.address = address
        self.prefix = prefix

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
        prefix: what every key and channel begins with.
    """

    def __init__(self, client: redis.Redis, *, address: str, prefix: str) -> None:
        super().__init__(address, prefix)
        self.client = client

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the space of the settings; nothing is connected before its first use."""
        client = connect(settings.redis_url.get_secret_value(), settings.redis_timeout_seconds)
        return cls(client, address=settings.redis_address, prefix=settings.key_prefix)

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
