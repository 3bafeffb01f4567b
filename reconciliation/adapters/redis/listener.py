"""Listening to the channels: each run's findings and result, as they are published."""

import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.errors import CoordinationError
from reconciliation.ports.publishing import ChannelMessage

SUBSCRIBE_TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 0.5


class ChannelListener:
    """Subscribed to channels from `__enter__` on: what is published afterwards is heard.

    Args:
        space: of the Redis that the workers publish to; it is not closed here.
        channels: their names.
    """

    def __init__(self, space: RedisSpace, channels: Sequence[str]) -> None:
        self._space = space
        #: The name here, and the public one.
        self._channels = {space.own_name(channel): channel for channel in channels}
        self._pubsub: Any = None

    def __enter__(self) -> Self:
        self.reconnect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def reconnect(self) -> None:
        """Subscribe again, and return when Redis has confirmed every channel.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        self.close()
        self._pubsub = self._space.client.pubsub()  # type: ignore[no-untyped-call]
        confirmed: set[str] = set()
        deadline = time.monotonic() + SUBSCRIBE_TIMEOUT_SECONDS
        with self._space.explained():
            self._pubsub.subscribe(*self._channels)
            while confirmed < set(self._channels):
                if time.monotonic() > deadline:
                    raise CoordinationError(f"Redis at {self._space.address} did not confirm the subscription in time")
                message = self._pubsub.get_message(timeout=POLL_SECONDS)
                if message and message["type"] == "subscribe":
                    confirmed.add(message["channel"])

    def listen(self, timeout_seconds: float) -> ChannelMessage | None:
        """Return the next message, or None when there was none within `timeout_seconds`.

        Raises:
            CoordinationError: the connection was lost; what is published until `reconnect` is not heard.
        """
        with self._space.explained():
            message = self._pubsub.get_message(timeout=timeout_seconds)
        if message and message["type"] == "subscribe":
            # redis-py has connected again by itself: messages may have been missed.
            raise CoordinationError(f"Redis at {self._space.address} closed the connection")
        if not message or message["type"] != "message":
            return None
        try:
            payload = json.loads(message["data"])
        except ValueError:
            return None  # not one of our messages
        return (
            ChannelMessage(channel=self._channels[message["channel"]], payload=payload)
            if isinstance(payload, dict)
            else None
        )

    def close(self) -> None:
        """Stop listening; the client stays open."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None
