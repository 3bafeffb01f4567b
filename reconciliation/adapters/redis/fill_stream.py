"""Fills that an order service writes into a Redis Stream, read by a consumer group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from reconciliation.adapters.redis.space import RedisSpace

#: The dead-letter stream keeps about so many entries, the newest.
MAX_DEAD_LETTERS = 100_000


@dataclass(frozen=True, kw_only=True)
class StreamEntry:
    """One entry. `fields` is None where the entry was deleted from the stream before anybody took it."""

    entry_id: str
    fields: Mapping[str, str] | None


class FillStream:
    """One consumer's view of the stream and of its group. Every method raises `CoordinationError`."""

    def __init__(self, space: RedisSpace, *, stream: str, group: str, consumer: str) -> None:
        self._space = space
        self._client = space.client
        self._stream = stream
        self._group = group
        self._consumer = consumer
        self._claim_from = "0-0"

    @property
    def dead_letters(self) -> str:
        """The name of the stream where refused entries go, with the reason."""
        return f"{self._stream}:dead"

    def ensure_group(self) -> None:
        """Make the stream and the group, which begins with the stream's oldest entry. Harmless where they are."""
        with self._space.explained():
            try:
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def read(self, count: int, block_ms: int) -> list[StreamEntry]:
        """Return at most `count` entries that nobody has yet, waiting `block_ms` for the first (0: not at all)."""
        with self._space.explained():
            found: Any = self._client.xreadgroup(
                self._group, self._consumer, {self._stream: ">"}, count=count, block=block_ms or None
            )
        return [_entry(item) for _, entries in found or () for item in entries]

    def take_over(self, count: int, idle_ms: int) -> list[StreamEntry]:
        """Return entries that some consumer was given `idle_ms` ago and never acknowledged: they are ours now."""
        with self._space.explained():
            reply: Any = self._client.xautoclaim(
                self._stream, self._group, self._consumer, idle_ms, start_id=self._claim_from, count=count
            )
        self._claim_from = str(reply[0])
        deleted = reply[2] if len(reply) > 2 else []  # noqa: PLR2004 - since Redis 7
        return [*map(_entry, reply[1]), *(StreamEntry(entry_id=entry_id, fields=None) for entry_id in deleted)]

    def acknowledge(self, entry_ids: Sequence[str], refused: Sequence[tuple[StreamEntry, str]]) -> None:
        """Say that these are done with; refused ones go to the dead-letter stream with their reason, atomically."""
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
