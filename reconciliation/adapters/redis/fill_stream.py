"""Fills that an order service writes into a Redis Stream, read by a consumer group."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.ports.fill_stream import StreamEntry

#: The dead-letter stream keeps about this many entries, the newest.
MAX_DEAD_LETTERS = 100_000


class RedisFillStream:
    """Implements `reconciliation.ports.fill_stream.FillStream`. Every method raises `CoordinationError`."""

    def __init__(self, space: RedisSpace, *, stream: str, group: str, consumer: str) -> None:
        self._space = space
        self._client = space.client
        self._stream = space.own_name(stream)
        self._group = group
        self._consumer = consumer
        self._claim_from = "0-0"

    @property
    def dead_letters(self) -> str:
        """The name of the stream where refused entries go, with the reason."""
        return f"{self._stream}:dead"

    def ensure_group(self) -> None:
        """Make the stream and the group where they are missing; the group begins with the oldest entry."""
        with self._space.explained():
            try:
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def read(self, count: int, block_ms: int) -> list[StreamEntry]:
        """Return at most `count` new entries, waiting `block_ms` for the first (0: not at all)."""
        with self._space.explained():
            found: Any = self._client.xreadgroup(
                self._group, self._consumer, {self._stream: ">"}, count=count, block=block_ms or None
            )
        return [_entry(item) for _, entries in found or () for item in entries]

    def take_over(self, count: int, idle_ms: int) -> list[StreamEntry]:
        """Return entries that a consumer was given `idle_ms` ago and never acknowledged; they are this one's now."""
        with self._space.explained():
            reply: Any = self._client.xautoclaim(
                self._stream, self._group, self._consumer, idle_ms, start_id=self._claim_from, count=count
            )
        self._claim_from = str(reply[0])
        deleted = reply[2] if len(reply) > 2 else []  # noqa: PLR2004 - since Redis 7
        return [*map(_entry, reply[1]), *(StreamEntry(entry_id=entry_id, fields=None) for entry_id in deleted)]

    def acknowledge(self, entry_ids: Sequence[str], refused: Sequence[tuple[StreamEntry, str]]) -> None:
        """Settle these; refused ones go to the dead letters with their reason, in the same step."""
        done = [*entry_ids, *(entry.entry_id for entry, _ in refused)]
        if not done:
            return
        with self._space.explained(), self._client.pipeline(transaction=True) as pipeline:
            for entry, reason in refused:
                letter: dict[Any, Any] = {**(entry.fields or {}), "reason": reason, "entry_id": entry.entry_id}
                pipeline.xadd(self.dead_letters, letter, maxlen=MAX_DEAD_LETTERS, approximate=True)
            pipeline.xack(self._stream, self._group, *done)
            pipeline.execute()


def _entry(item: tuple[str, Mapping[str, str] | None]) -> StreamEntry:
    entry_id, fields = item
    return StreamEntry(entry_id=entry_id, fields=fields)
