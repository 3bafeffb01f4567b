"""The queue of runs in memory, by a clock that the test moves; it passes the contract suite of the queue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from uuid import UUID

from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError
from reconciliation.ports.run_queue import Claim, ClaimedRun


@dataclass
class _Entry:
    request: RunRequest
    connection: str
    due_ms: int
    state: str = "waiting"
    fence: int = 0
    lease_until_ms: int = 0
    attempts: int = 0
    crashes: int = 0


class MemoryRunQueue:
    """A `RunQueue` of requested runs; `is_away` as Redis may be."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000
        self.is_away = False
        self.entries: dict[str, _Entry] = {}
        self.completed: list[UUID] = []
        self._fences = count(1)

    def requests(self) -> list[RunRequest]:
        """Return the runs in the queue."""
        return [entry.request for entry in self.entries.values()]

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0) -> int:
        self._reach()
        new = [
            request
            for request in requests
            if str(request.run_id) not in self.entries and request.run_id not in self.completed
        ]
        self.entries |= {str(request.run_id): _Entry(request, "default", self.now_ms + delay_ms) for request in new}
        return len(new)

    def claim(
        self, *, limit: int, share: int, lease_ms: int, in_flight_limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        self._reach()
        due = [name for name, entry in self.entries.items() if entry.state == "waiting" and entry.due_ms <= self.now_ms]
        held = sum(entry.state != "waiting" for entry in self.entries.values())
        room = (in_flight_limits or {}).get("default", held + len(due)) - held
        return self._claimed(due[: max(0, min(limit, share, room))], lease_ms)

    def claim_by_id(self, run_ids: Sequence[UUID], *, lease_ms: int) -> list[Claim]:
        self._reach()
        names = [str(run_id) for run_id in run_ids]
        waiting = [name for name in names if name in self.entries and self.entries[name].state == "waiting"]
        return self._claimed(waiting, lease_ms)

    def start(self, claims: Iterable[tuple[str, int]], *, lease_ms: int) -> list[ClaimedRun]:
        self._reach()
        started = []
        for name, entry in self._held(claims):
            if entry.state == "claimed":
                entry.state, entry.fence = "running", next(self._fences)
                entry.lease_until_ms = self.now_ms + lease_ms
                run = ClaimedRun(
                    entry=name,
                    fence=entry.fence,
                    request=replace(entry.request),
                    attempt=entry.attempts,
                    crashes=entry.crashes,
                )
                started.append(run)
        return started

    def complete(self, runs: Iterable[tuple[str, int]]) -> int:
        self._reach()
        held = self._held(runs)
        for name, entry in held:
            del self.entries[name]
            self.completed.append(entry.request.run_id)
        return len(held)

    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0) -> int:
        self._reach()
        held = self._held(runs)
        for _, entry in held:
            entry.state, entry.due_ms = "waiting", self.now_ms + delay_ms
        return len(held)

    def requeue_lost(self, *, accounts: int) -> int:
        self._reach()
        return 0

    def _reach(self) -> None:
        if self.is_away:
            raise CoordinationError("Redis is away")
        for entry in self.entries.values():
            if entry.state != "waiting" and entry.lease_until_ms <= self.now_ms:
                entry.crashes += entry.state == "running"
                entry.state, entry.due_ms = "waiting", self.now_ms

    def _claimed(self, names: Sequence[str], lease_ms: int) -> list[Claim]:
        fence = next(self._fences)
        for name in names:
            entry = self.entries[name]
            entry.state, entry.fence, entry.attempts = "claimed", fence, entry.attempts + 1
            entry.lease_until_ms = self.now_ms + lease_ms
        return [
            Claim(entry=name, fence=fence, connection=self.entries[name].connection, crashes=self.entries[name].crashes)
            for name in names
        ]

    def _held(self, pairs: Iterable[tuple[str, int]]) -> list[tuple[str, _Entry]]:
        found = [(name, self.entries.get(name), fence) for name, fence in pairs]
        return [
            (name, entry)
            for name, entry, fence in found
            if entry is not None and entry.state != "waiting" and entry.fence == fence
        ]
