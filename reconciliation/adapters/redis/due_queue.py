"""The due-queue in Redis: which runs are due, who has them, until when. The decision stands in `due_queue.lua`.

    waiting ──claim──> queued ──begin──> running ──finish──> waiting for the next slot (asked runs: gone)
       ^                  │                 │
       └──── lease over, or given back ─────┘

Every step but the last is under a lease, so a lost message, a killed worker or a killed beat only costs time. Each
claim and each beginning carries a new fencing number; whoever holds an old one is told that it is not his any more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import redis

from reconciliation.adapters.redis.client import explain
from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import Fence, RunRequest
from reconciliation.ports.run_queue import Claim, ClaimedRun

#: Fencing numbers of slots are compared with each other only: an asked run takes no slot's lease.
SLOT_FENCES = "slots"

#: A single call to Redis moves at most this many entries: some ten milliseconds in which nobody else is served.
MAX_CLAIM_LIMIT = 1000

_SCRIPT = (Path(__file__).parent / "due_queue.lua").read_text(encoding="utf-8")
_SLOT_RUNS = UUID("6f0c7b52-6a53-5d0b-9d4e-2f8e6d0a7f11")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What the database says of one account now. `record` None: it is removed."""

    account_id: str
    record: Mapping[str, Any] | None
    #: Set for an account that is new to the schedule: so much later its start-up run is due.
    startup_ms: int | None = None
    #: Set when Redis lost its data: so much later an account is looked at whose present slot may have been lost.
    recover_ms: int | None = None


def account_entry(account_id: str) -> str:
    return f"a:{account_id}"


def asked_entry(run_id: UUID) -> str:
    return f"r:{run_id}"


def slot_run_id(account_id: str, slot_ms: int) -> UUID:
    """Return the run id of a slot: the same whoever runs it, and however often."""
    return uuid5(_SLOT_RUNS, f"{slot_ms}/{account_id}")


class DueQueue:
    """The due-queue behind one Redis client. Safe to share between threads.

    Args:
        now_ms: in every method stands for Redis' own clock, the only one that counts; None asks it. Tests set it.
    """

    def __init__(self, client: redis.Redis, *, prefix: str, address: str) -> None:
        self._client = client
        self._prefix = prefix
        self._address = address
        self._script = client.register_script(_SCRIPT)

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
        """Claim entries that are due, asked ones first; take back what others let lapse.

        Args:
            limit: at most so many; never more than `MAX_CLAIM_LIMIT`.
            share: at most so many of one connection, so that none crowds out the others.
            lease_ms: if no `begin` follows in this time, the entries are due again.
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

    def claim_by_id(self, entries: Sequence[str], *, lease_ms: int, now_ms: int | None = None) -> list[Claim]:
        """Claim these entries if they are waiting, even before they are due."""
        return _claims(self._run("pick", now_ms, lease_ms, json.dumps(list(entries))))

    def begin(
        self,
        claims: Iterable[tuple[str, int]],
        *,
        lease_ms: int,
        call_id: str | None = None,
        now_ms: int | None = None,
    ) -> list[ClaimedRun]:
        """Start the runs of these (entry, fence) pairs; leave out those that are not the caller's any more."""
        answer = self._run("begin", now_ms, call_id or uuid4().hex, lease_ms, _pairs(claims))
        return [_begun(fields) for fields in json.loads(answer)]

    def finish(self, runs: Iterable[tuple[str, int]], *, now_ms: int | None = None) -> int:
        """Set these on their next slot, asked ones aside; return how many still were the caller's."""
        return int(self._run("finish", now_ms, _pairs(runs)))

    def release(self, runs: Iterable[tuple[str, int]], *, delay_ms: int = 0, now_ms: int | None = None) -> int:
        """Let others have these after `delay_ms`; return how many still were the caller's."""
        return int(self._run("give_back", now_ms, delay_ms, _pairs(runs)))

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0, now_ms: int | None = None) -> int:
        """Note asked runs, due after `delay_ms`; return how many were not noted before.

        A run id that is noted, or that was finished within ten minutes, is not noted again.
        """
        noted = [
            [str(request.run_id), request.account_id, json.dumps(request.context, default=str), delay_ms]
            for request in requests
        ]
        return int(self._run("ask", now_ms, json.dumps(noted)))

    def apply_changes(self, changes: Sequence[Change], *, since: int, until: int, now_ms: int | None = None) -> bool:
        """Bring the mirror from one revision of the database to another; False if it does not stand at the first."""
        return bool(self._run("follow", now_ms, since, until, _changes(changes)) == "done")

    def rebuild(
        self,
        changes: Sequence[Change],
        *,
        token: str,
        lease_ms: int,
        complete_at: int | None = None,
        now_ms: int | None = None,
    ) -> bool:
        """Apply a part of a full refill; the last part names the revision. False if the lock has another token."""
        until = "" if complete_at is None else complete_at
        return bool(self._run("refill", now_ms, token, lease_ms, until, _changes(changes)) == "done")

    def requeue_lost(self, *, accounts: int, now_ms: int | None = None) -> int:
        """Look at about so many accounts, the next ones at each call; return how many had fallen out of the queue."""
        return int(self._run("audit", now_ms, accounts))

    def _run(self, operation: str, now_ms: int | None, *arguments: str | float) -> Any:
        now = "" if now_ms is None else now_ms
        try:
            return self._script(args=[operation, now, self._prefix, *arguments])
        except redis.RedisError as error:
            raise explain(error, self._address) from error


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


def _begun(fields: list[Any]) -> ClaimedRun:
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
