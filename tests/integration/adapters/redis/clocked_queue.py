"""The due-queue as one caller uses it, at a time that the test sets."""

from collections.abc import Iterable, Sequence

import redis

from reconciliation.adapters.redis.due_queue import Change, DueQueue
from reconciliation.ports.run_queue import Claim, ClaimedRun
from tests.integration.adapters.redis.records import record
from tests.support.spaces import space_of

START_MS = 1_700_000_000_000
QUEUE_LEASE_MS = 4_000
RUN_LEASE_MS = 7_000
PREFIX = "t:"


class ClockedQueue:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.inner = DueQueue(space_of(client, PREFIX))
        self.now_ms = START_MS

    def first_slot_ms(self, account_id: str, interval_ms: int) -> int:
        phase = record(account_id, interval_ms)["phase_ms"]
        return START_MS - (START_MS - phase) % interval_ms + interval_ms

    def fill(self, changes: Sequence[Change]) -> None:
        self.client.set("t:due:rebuild", "token")
        assert self.inner.rebuild(changes, token="token", lease_ms=1000, complete_at=0, now_ms=self.now_ms)

    def claim(self, limit: int = 100, share: int = 100, **kwargs) -> list[Claim]:
        return self.inner.claim(limit=limit, share=share, lease_ms=QUEUE_LEASE_MS, now_ms=self.now_ms, **kwargs)

    def start(self, claims: Iterable[Claim]) -> list[ClaimedRun]:
        pairs = [(claim.entry, claim.fence) for claim in claims]
        return self.inner.start(pairs, lease_ms=RUN_LEASE_MS, now_ms=self.now_ms)

    def complete(self, runs: Iterable[ClaimedRun]) -> int:
        return self.inner.complete([(run.entry, run.fence) for run in runs], now_ms=self.now_ms)

    def release(self, runs: Iterable[ClaimedRun], delay_ms: int = 0) -> int:
        return self.inner.release([(run.entry, run.fence) for run in runs], delay_ms=delay_ms, now_ms=self.now_ms)

    def run_all(self) -> list[ClaimedRun]:
        """Claim, begin and finish whatever is due."""
        runs = self.start(self.claim())
        assert self.complete(runs) == len(runs)
        return runs

    def pass_ms(self, step_ms: int) -> None:
        self.now_ms += step_ms

    def keys_left(self) -> list[str]:
        return sorted(self.client.scan_iter())
