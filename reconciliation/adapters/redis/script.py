"""A Lua script on the server: sent by its digest, loaded when the server does not know it (fresh or restarted)."""

import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha1
from typing import Any

import redis
from redis.connection import AbstractConnection
from redis.exceptions import NoScriptError

from reconciliation.adapters.redis.client import explain

Arguments = Sequence[str | float]


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
        self._idle: list[AbstractConnection] = []

    def call(self, arguments: Arguments) -> Any:
        """Run it once and return its reply."""
        [reply] = self.call_many(lambda: (arguments,))
        return reply

    def call_many(self, make_calls: Callable[[], Iterable[Arguments]]) -> list[Any]:
        """Run it several times in one round trip and return the replies in order.

        Each call is atomic by itself, the batch is not. Repeating the whole batch after an error must be harmless.

        Args:
            make_calls: Makes them, anew for each attempt; the server works on the first while later ones are made.
        """
        try:
            try:
                return self._execute(make_calls)
            except NoScriptError:
                self._client.script_load(self._source)
                return self._execute(make_calls)
        except redis.RedisError as error:
            raise explain(error, self._address) from error

    def _execute(self, make_calls: Callable[[], Iterable[Arguments]]) -> list[Any]:
        """Do what `client.evalsha` does, on a connection that is kept at hand.

        The client's way to a connection and back costs as much again as the round trip, and each fill would pay it.
        The connections stay the pool's: closing the client closes them.
        """
        connection = self._connection()
        try:
            return connection.retry.call_with_retry(
                lambda: _exchange(connection, self._digest, make_calls()),
                lambda _: connection.disconnect(),  # type: ignore[no-untyped-call]
            )
        finally:
            self._idle.append(connection)

    def _connection(self) -> AbstractConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._client.connection_pool.get_connection()
            if connection.pid == os.getpid():  # else it is the parent's, from before a fork
                return connection


def _exchange(connection: AbstractConnection, digest: str, calls: Iterable[Arguments]) -> list[Any]:
    sent = 0
    for arguments in calls:
        connection.send_command("EVALSHA", digest, 0, *arguments)  # type: ignore[no-untyped-call]
        sent += 1
    replies: list[Any] = []
    failure: redis.ResponseError | None = None
    for _ in range(sent):
        try:
            replies.append(connection.read_response())
        except redis.ResponseError as error:  # the connection is sound, and the other replies must be taken from it
            failure = failure or error
    if failure is not None:
        raise failure
    return replies
