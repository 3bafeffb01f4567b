"""The due-queue in Redis: which runs are due, who has them, until when. `due_queue.lua` decides.

    waiting ──claim──> queued ──start──> running ──complete──> waiting for the next slot (requested runs: gone)
       ^                  │                 │
       └────── lease over, or released ─────┘

Every step but the last is under a lease, so a lost message, a killed worker or a killed beat only costs time. Each
claim and each start carries a new fencing token; an outdated one is rejected.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import Fence, RunRequest
from reconciliation.ports.run_queue import Claim, ClaimedRun

#: Fencing numbers of slots are compared with each other only: a requested run takes no slot's lease.
SLOT_FENCES = "slots"

#: Entries that one call to Redis moves at most: some ten milliseconds in which it serves no other client.
MAX_CLAIM_LIMIT = 1000

_SLOT_RUNS = UUID("6f0c7b52-6a53-5d0b-9d4e-2f8e6d0a7f11")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What the database says of one account now. `record` None: it is removed."""

    account_id: str
    record: Mapping[str, Any] | None
    #: Set for an account that is new to the schedule: its start-up run is due after this time.
    startup_ms: int | None = None
    #: Set when Redis lost its data: an account whose present slot may have been lost is checked after this time.
    recover_ms: int | None = None


def account_entry(account_id: str) -> str:
    return f"a:{account_id}"


def request_entry(run_id: UUID) -> str:
    return f"r:{run_id}"


def slot_run_id(account_id: str, slot_ms: int) -> UUID:
    """Return the run id of a slot: every attempt of every worker has the same."""
    return uuid5(_SLOT_RUNS, f"{slot_ms}/{account_id}")


class DueQueue:
    """The due-queue in one space. Safe to share between threads.

    Args:
        now_ms: in every method stands for Redis' own clock, the only one that counts; None asks it. Tests set it.
    """

    def __init__(self, space: RedisSpace) -> None:
        self._script = space.script(packaged("due_queue"))

    def claim(
        self,
        *,
        limit: int,
        share: int,
        lease_ms: int,
        in_flight_limits: Mapping[str, int] | None = None,
        default_in_flight_limit: int = 1_000_000,
        call_id: str | None = None,
        now_ms: int | None = None,
    ) -> list[Claim]:
        """Claim entries that are due, requested ones first; requeue those whose lease is over.

        Args:
            limit: the most entries of this call; never more than `MAX_CLAIM_LIMIT`.
            share: the most of one connection, so that none crowds out the others.
            lease_ms: if no `start` follows in this time, the entries are due again.
            in_flight_limits: connection to the most entries it may have in lease.
            default_in_flight_limit: the same for all others.
            call_id: repeats the answer of an earlier call of the same id, within a minute.
            now_ms: see the class.

        Raises:
            CoordinationError: Redis could not be reached; whatever was claimed comes back after its lease.
        """
        limit = min(limit, MAX_CLAIM_LIMIT)
        call = call_id or uuid4().hex
        answer = self._run(
            "claim",
            now_ms,
            call,
            limit,
            share,
            lease_ms,
            json.dumps(dict(in_flight_limits or {})),
            default_in_flight_limit,
        )
        return _claims(answer)

    def claim_by_id(self, run_ids: Sequence[UUID], *, lease_ms: int, now_ms: int | None = None) -> list[Claim]:
        """Claim these requested runs if they wait, even before they are due."""
        entries = [request_entry(run_id) for run_id in run_ids]
        return _claims(self._run("claim_by_id", now_ms, lease_ms, json.dumps(entries)))

    def start(
        self,
        claims: Iterable[tuple[str, int]],
        *,
        lease_ms: int,
        call_id: str | None = None,
        now_ms: int | None = None,
    ) -> list[ClaimedRun]:
        """Start the runs of these (entry, fence) pairs; leave out those that the caller holds no longer."""
        answer = self._run("start", now_ms, call_id or uuid4().hex, lease_ms, _pairs(claims))
        return [_started(fields) for fields in json.loads(answer)]

    def complete(self, runs: Iterable[tuple[str, int]], *, now_ms: int | None = None) -> int:
        """End these runs: an account waits for its next slot. Return how many the caller still held."""
        return int(self._run("complete", now_ms, _pairs(runs)))

    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0, now_ms: int | None = None) -> int:
        """Put these back, due after `delay_ms`; return how many the caller still held."""
        return int(self._run("release", now_ms, delay_ms, _pairs(runs)))

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0, now_ms: int | None = None) -> int:
        """Add requested runs, due after `delay_ms`; return how many are new.

        A run id that is in the queue, or that was completed within ten minutes, is not added again.
        """
        added = [
            [str(request.run_id), request.account_id, json.dumps(request.context, default=str), delay_ms]
            for request in requests
        ]
        return int(self._run("enqueue", now_ms, json.dumps(added)))

    def apply_changes(self, changes: Sequence[Change], *, since: int, until: int, now_ms: int | None = None) -> bool:
        """Bring the mirror from one revision of the database to another; False if it does not stand at the first."""
        return bool(self._run("apply_changes", now_ms, since, until, _changes(changes)) == "done")

    def rebuild(
        self,
        changes: Sequence[Change],
        *,
        token: str,
        lease_ms: int,
        complete_at: int | None = None,
        now_ms: int | None = None,
    ) -> bool:
        """Apply a part of a full rebuild; the last part names the revision. False if the lock has another token."""
        until = "" if complete_at is None else complete_at
        return bool(self._run("rebuild", now_ms, token, lease_ms, until, _changes(changes)) == "done")

    def requeue_lost(self, *, accounts: int, now_ms: int | None = None) -> int:
        """Check about this many accounts, the next ones at each call; return how many were missing in the queue."""
        return int(self._run("requeue_lost", now_ms, accounts))

    def _run(self, operation: str, now_ms: int | None, *arguments: str | float) -> Any:
        return self._script.call(operation, "" if now_ms is None else now_ms, *arguments)


def _pairs(pairs: Iterable[tuple[str, int]]) -> str:
    # Fencing numbers travel as text: Lua's JSON keeps 14 digits of a number.
    return json.dumps([[entry, str(fence)] for entry, fence in pairs])


def _claims(answer: str) -> list[Claim]:
    number, taken = (*json.loads(answer), [])[:2]
    fence = int(number)
    return [
        Claim(entry=entry, fence=fence, connection=connection, crashes=crashes.get(entry, 0))
        for connection, entries, crashes in ((*part, {})[:3] for part in taken)
        for entry in entries
    ]


def _started(fields: list[Any]) -> ClaimedRun:
    entry, fence, account_id, slot, trigger, attempt, crashes, context = fields
    if entry.startswith("r:"):
        request = RunRequest(account_id=account_id, context=json.loads(context), run_id=UUID(entry[2:]))
    else:
        slot_ms = int(slot)
        request = RunRequest(
            account_id=account_id,
            context={
                "trigger": trigger or Trigger.PERIODIC.value,
                "slot": datetime.fromtimestamp(slot_ms / 1000, UTC).isoformat(timespec="milliseconds"),
            },
            run_id=slot_run_id(account_id, slot_ms),
            fence=Fence(scope=SLOT_FENCES, number=int(fence)),
        )
    return ClaimedRun(entry=entry, fence=int(fence), request=request, attempt=attempt, crashes=crashes)


def _changes(changes: Sequence[Change]) -> str:
    parts = []
    for change in changes:
        part: dict[str, Any] = {"id": change.account_id}
        if change.record is not None:
            part["record"] = json.dumps(change.record)
            part["startup_ms"] = change.startup_ms
            part["recover_ms"] = change.recover_ms
        # An absent field is nil in Lua; JSON's null would be a value there.
        parts.append({name: value for name, value in part.items() if value is not None})
    return json.dumps(parts)
