"""A Lua script on the server: sent by its digest, loaded when the server does not know it (fresh or restarted).

A script must stand being executed twice: a client that misses a reply sends the call again. Keys are made inside the
script, from the prefix in its local variable `PREFIX`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.connection import AbstractConnection
from redis.exceptions import NoScriptError

from reconciliation.errors import ConfigurationError

Arguments = Sequence[str | float]


def packaged(name: str) -> str:
    """Return the source of one of our scripts, such as `due_queue`."""
    return Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")


def with_prefix(source: str, prefix: str) -> str:
    """Return the script with the keys' prefix as a constant in front: each argument of a call costs.

    Raises:
        ConfigurationError: the prefix has characters that could end the constant.
    """
    if not prefix.isascii() or not prefix.isprintable() or set(prefix) & set('"\\'):
        raise ConfigurationError(f"key_prefix: {prefix!r} must be plain ASCII without quotes and backslashes")
    return f'local PREFIX = "{prefix}"\n{source}'


class LuaScript:
    """One script without declared keys. `explained` turns errors of Redis into our own."""

    def __init__(self, client: redis.Redis, source: str, explained: Callable[[], AbstractContextManager[None]]) -> None:
        self._client = client
        self._explained = explained
        self._source = source
        self._digest = _digest(source)
        self._idle: list[AbstractConnection] = []

    def call(self, *arguments: str | float) -> Any:
        """Run it once and return its reply.

        Raises:
            CoordinationError: Redis did not answer; the script may have run.
        """
        [reply] = self.call_many(lambda: (arguments,))
        return reply

    def call_many(
        self, make_calls: Callable[[], Iterable[Arguments]], *, then: Sequence[str | int] | None = None
    ) -> list[Any]:
        """Run it several times in one round trip and return the replies in order.

        Each call is atomic by itself, the batch is not. Repeating the whole batch after an error must be harmless.

        Args:
            make_calls: Makes the calls, for each attempt again; the server works on the first while later ones are
                made.
            then: A command that follows on the same connection; its reply is the last.

        Raises:
            CoordinationError: Redis did not answer; some of the calls may have run.
        """
        with self._explained():
            try:
                return self._execute(make_calls, then)
            except NoScriptError:
                self._client.script_load(self._source)
                return self._execute(make_calls, then)

    def _execute(self, make_calls: Callable[[], Iterable[Arguments]], then: Sequence[str | int] | None) -> list[Any]:
        """Do what `client.evalsha` does, on a connection that is kept at hand.

        The client's way to a connection and back costs as much again as the round trip, and each fill would pay it.
        The connections stay the pool's: closing the client closes them.
        """
        connection = self._connection()
        try:
            return connection.retry.call_with_retry(
                lambda: _exchange(connection, self._digest, make_calls(), then),
                lambda _: connection.disconnect(),  # type: ignore[no-untyped-call]
            )
        except redis.ResponseError:
            raise  # every reply was taken
        except BaseException:  # such as a time limit: an unread reply must not answer the next call
            connection.disconnect()  # type: ignore[no-untyped-call]
            raise
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


class AsyncLuaScript:
    """The same for one event loop; errors of Redis are the caller's to explain."""

    def __init__(self, client: redis.asyncio.Redis, source: str) -> None:
        self._client = client
        self._source = source
        self._digest = _digest(source)

    async def call(self, *arguments: str | float) -> Any:
        """Run it once and return its reply."""
        try:
            return await self._client.evalsha(self._digest, 0, *arguments)
        except NoScriptError:
            await self._client.script_load(self._source)
            return await self._client.evalsha(self._digest, 0, *arguments)


def _digest(source: str) -> str:
    # Redis names scripts by SHA-1; nothing here is a secret.
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _exchange(
    connection: AbstractConnection, digest: str, calls: Iterable[Arguments], then: Sequence[str | int] | None
) -> list[Any]:
    sent = 0
    for arguments in calls:
        connection.send_command("EVALSHA", digest, 0, *arguments)  # type: ignore[no-untyped-call]
        sent += 1
    if then is not None:
        connection.send_command(*then)  # type: ignore[no-untyped-call]
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
