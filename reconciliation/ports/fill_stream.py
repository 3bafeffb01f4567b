"""The port to the stream that an order service writes fills to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StreamEntry:
    """One entry. `fields` is None where the entry was deleted from the stream before a consumer took it."""

    entry_id: str
    fields: Mapping[str, str] | None


class FillStream(Protocol):
    """One consumer's view of the stream and its group. Blocking; every method raises `CoordinationError`."""

    def ensure_group(self) -> None:
        """Make the stream and the group where they are missing; the group begins with the oldest entry."""
        ...

    def read(self, count: int, block_ms: int) -> Sequence[StreamEntry]:
        """Return at most `count` new entries, waiting `block_ms` for the first (0: not at all)."""
        ...

    def take_over(self, count: int, idle_ms: int) -> Sequence[StreamEntry]:
        """Return entries that a consumer was given `idle_ms` ago and never acknowledged; they are this one's now."""
        ...

    def acknowledge(self, entry_ids: Sequence[str], refused: Sequence[tuple[StreamEntry, str]]) -> None:
        """Settle these; refused ones go to the dead letters with their reason, in the same step."""
        ...
