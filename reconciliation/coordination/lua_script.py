"""A Lua script on the server: sent by its digest, loaded when the server does not know it (fresh or restarted)."""

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha1
from typing import Any

import redis
from redis.exceptions import NoScriptError

from reconciliation.coordination.connection import explain

Arguments = Sequence[str | float]

#: Calls of one pipeline: bounds the memory that the client and the server's reply buffer need.
MAX_CALLS_PER_PIPELINE = 1_000


class LuaScript:
    """One script without declared keys.

    It must stand being executed twice: a client that misses a reply sends the call again. Every method raises
    `CoordinationError` for an error of Redis, naming `address`.
    """

    def __init__(self, client: redis.Redis, source: str, address: str) -> None:
        self._client = client
        self._address = address
        self._source = source
        # Redis names scripts by SHA-1; nothing here is a secret.
        self._digest = sha1(source.encode(), usedforsecurity=False).hexdigest()

    def call(self, arguments: Arguments) -> Any:
        """Run it once and return its reply."""
        try:
            return self._loaded(lambda: self._client.evalsha(self._digest, 0, *arguments))
        except redis.RedisError as error:
            raise explain(error, self._address) from error

    def call_many(self, calls: Sequence[Arguments]) -> list[Any]:
        """Run it for each of `calls`, in one round trip per `MAX_CALLS_PER_PIPELINE`; return the replies in order.

        Each call is atomic by itself, the batch is not. Repeating the whole batch after an error must be harmless.
        """
        if len(calls) == 1:
            return [self.call(calls[0])]
        replies: list[Any] = []
        for first in range(0, len(calls), MAX_CALLS_PER_PIPELINE):
            some = calls[first : first + MAX_CALLS_PER_PIPELINE]
            try:
                replies += self._loaded(partial(self._pipelined, some))
            except redis.RedisError as error:
                raise explain(error, self._address) from error
        return replies

    def _loaded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except NoScriptError:
            self._client.script_load(self._source)
            return call()

    def _pipelined(self, calls: Sequence[Arguments]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for arguments in calls:
                pipeline.evalsha(self._digest, 0, *arguments)
            return pipeline.execute()
