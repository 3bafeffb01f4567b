"""Consume a stream of fills: record each entry's fill, then acknowledge it; set aside what cannot be recorded."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciliation.errors import CoordinationError, FillRefusedError, InvalidInputError
from reconciliation.messages.fills import FillMessage, parse_fill_message
from reconciliation.ports.fill_stream import FillStream, StreamEntry
from reconciliation.ports.fill_windows import FillOutcome
from reconciliation.usecases.record_fills import FillRecorder

log = logging.getLogger(__name__)

BATCH_ENTRIES = 500
#: Below the time-out of one answer of Redis, and how soon a consumer stops after a stop signal.
BLOCK_MS = 1_000
#: After an error of Redis the consumer waits, for longer each time up to the last.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0)


@dataclass(kw_only=True)
class Consumed:
    """How many entries ended how."""

    recorded: int = 0
    ignored: int = 0
    refused: int = 0


class FillConsumer:
    """Moves fills from a stream into the windows. Any number may share a group."""

    def __init__(self, stream: FillStream, recorder: FillRecorder, *, take_over_after_ms: int) -> None:
        """Consume `stream`.

        Args:
            stream: Where entries come from.
            recorder: Where fills go to.
            take_over_after_ms: An entry that a consumer was given this long ago and never acknowledged is taken over.
        """
        self._stream = stream
        self._recorder = recorder
        self._take_over_after_ms = take_over_after_ms
        self._look_at = 0.0
        self.consumed = Consumed()

    def run(self, should_stop: Callable[[], bool], pause: Callable[[float], object] = time.sleep) -> None:
        """Consume until `should_stop`; while Redis is away, say so and try again."""
        failures = 0
        while not should_stop():
            try:
                self._stream.ensure_group()
                while not should_stop():
                    self.step(block_ms=BLOCK_MS)
                    failures = 0
            except CoordinationError as error:
                seconds = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)]
                log.warning("nothing is lost, again in %.1f s: %s", seconds, error)
                failures += 1
                pause(seconds)

    def drain(self) -> None:
        """Consume what is there, then return.

        Raises:
            CoordinationError: Redis did not answer; what was not recorded stays in the stream.
        """
        self._stream.ensure_group()
        while self.step(block_ms=0):
            pass

    def step(self, block_ms: int) -> int:
        """Record one batch and return its size; no entry is acknowledged before its fill is recorded."""
        entries = self._entries(block_ms)
        good: list[tuple[StreamEntry, FillMessage]] = []
        refused: list[tuple[StreamEntry, str]] = []
        done: list[str] = []
        for entry in entries:
            if entry.fields is None:
                done.append(entry.entry_id)
                continue
            try:
                good.append((entry, parse_fill_message(_payload(entry.fields))))
            except InvalidInputError as error:
                refused.append((entry, str(error)))
        # The entry's id stays the same when another consumer takes it over: the fill is counted once.
        outcomes = self._recorder.record_each([(message, entry.entry_id) for entry, message in good])
        for (entry, message), outcome in zip(good, outcomes, strict=True):
            if outcome is FillOutcome.REFUSED:
                refused.append((entry, str(FillRefusedError(message.account_id))))
            else:
                done.append(entry.entry_id)
                self.consumed.ignored += outcome is FillOutcome.IGNORED
                self.consumed.recorded += outcome is FillOutcome.RECORDED
        for entry, reason in refused:
            log.warning("entry %s set aside: %s", entry.entry_id, reason)
        self._stream.acknowledge(done, refused)
        self.consumed.refused += len(refused)
        return len(entries)

    def _entries(self, block_ms: int) -> Sequence[StreamEntry]:
        """Return what a dead consumer left, looked for now and then, else what is new."""
        if time.monotonic() >= self._look_at:
            left = self._stream.take_over(BATCH_ENTRIES, self._take_over_after_ms)
            if left:
                return left
            self._look_at = time.monotonic() + self._take_over_after_ms / 2000
        return self._stream.read(BATCH_ENTRIES, block_ms)


def _payload(fields: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the fill in an entry: its fields, or the JSON object in its one field `fill`."""
    if "fill" not in fields:
        return fields
    try:
        payload = json.loads(fields["fill"])
    except ValueError:
        raise InvalidInputError("fill: is not JSON") from None
    if not isinstance(payload, dict):
        raise InvalidInputError("fill: is not a JSON object")
    return payload
