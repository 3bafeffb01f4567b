"""The due-queue against a model: claims, crashes, duplicates, clock jumps, changes, lost data, on the real server."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from reconciliation.adapters.redis.due_queue import Change, DueQueue, account_entry, request_entry
from reconciliation.domain.model.runs import RunRequest
from reconciliation.ports.run_queue import Claim, ClaimedRun
from tests.integration.adapters.redis.records import record
from tests.support.spaces import space_of

QUEUE_LEASE_MS = 4_000
RUN_LEASE_MS = 7_000
ACCOUNTS = ("A", "B", "C", "D")
CONNECTIONS = ("one", "two")
INTERVALS_MS = (1_000, 3_000, 10_000)


@dataclass
class World:
    """What the database says, and what has truly been done."""

    records: dict[str, dict] = field(default_factory=dict)
    revision: int = 0
    asked: dict[UUID, str] = field(default_factory=dict)
    finished: Counter = field(default_factory=Counter)
    slots: dict[UUID, float] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)


class DueQueueMachine(RuleBasedStateMachine):
    client: redis.Redis

    claims = Bundle("claims")
    runs = Bundle("runs")

    @initialize()
    def empty(self) -> None:
        self.client.flushall()
        self.queue = DueQueue(space_of(self.client))
        self.world = World()
        self.asks = 0
        self.now = self.latest = 1_700_000_000_000
        self.rebuild()

    def rebuild(self) -> None:
        """What the mirror does when it stands at no known revision."""
        self.client.set("t:due:rebuild", "token")
        left = [name for name in self.client.hkeys("t:accounts") if name and name not in self.world.records]
        changes = [Change(account_id=name, record=None) for name in left] + [
            Change(account_id=name, record=made, recover_ms=RUN_LEASE_MS) for name, made in self.world.records.items()
        ]
        revision = self.world.revision
        for _twice in range(2):
            assert self.queue.rebuild(changes, token="token", lease_ms=1000, complete_at=revision, now_ms=self.now)

    def apply_changes(self, change: Change) -> None:
        since = self.world.revision
        self.world.revision += 1
        for _twice in range(2):
            done = self.queue.apply_changes([change], since=since, until=self.world.revision, now_ms=self.now)
        if not done:
            self.rebuild()

    @rule(
        account=st.sampled_from(ACCOUNTS),
        interval_ms=st.sampled_from(INTERVALS_MS),
        connection=st.sampled_from(CONNECTIONS),
        enabled=st.sampled_from([True, True, True, False]),
    )
    def write_account(self, account: str, interval_ms: int, connection: str, enabled: bool) -> None:
        new = account not in self.world.records
        made = record(account, interval_ms, connection=connection, enabled=enabled)
        self.world.records[account] = made
        self.apply_changes(Change(account_id=account, record=made, startup_ms=500 if new else None))

    @rule(account=st.sampled_from(ACCOUNTS))
    def remove_account(self, account: str) -> None:
        if self.world.records.pop(account, None):
            self.world.asked = {run: name for run, name in self.world.asked.items() if name != account}
            self.apply_changes(Change(account_id=account, record=None))

    @rule(step_ms=st.sampled_from([1, 300, 1_000, 3_000, 8_000, 60_000]))
    def pass_time(self, step_ms: int) -> None:
        self.now += step_ms

    @rule(step_ms=st.integers(1, 4_000))
    def jump_back(self, step_ms: int) -> None:
        self.latest = max(self.now, self.latest)
        self.now -= step_ms
        # Slots that come again may be run again; what is recorded stays recorded.
        passed = [run for run, slot_ms in self.world.slots.items() if slot_ms >= self.now]
        for run in passed:
            del self.world.finished[run]

    @rule()
    def lose_everything(self) -> None:
        # Lost data and a clock that went back, both at once, would let fencing numbers fall.
        self.now = max(self.now, *(fence // 1000 + 1 for fence in [*self.world.fences.values(), 0]))
        self.client.flushall()
        self.world.asked.clear()
        self.rebuild()

    @rule(account=st.sampled_from(ACCOUNTS), delay_ms=st.sampled_from([0, 2_000]))
    def enqueue(self, account: str, delay_ms: int) -> None:
        if account in self.world.records:
            self.asks += 1
            # Runs that are due together are taken in the order of their ids: a history that is told again must have
            # the same ones.
            run_id = uuid5(NAMESPACE_OID, str(self.asks))
            request = RunRequest(account_id=account, context={"trigger": "on_demand", "by": []}, run_id=run_id)
            noted = [self.queue.enqueue([request], delay_ms=delay_ms, now_ms=self.now) for _twice in range(2)]
            assert noted == [1, 0]
            self.world.asked[request.run_id] = account

    @rule(target=claims, limit=st.integers(1, 5), share=st.integers(1, 3))
    def claim(self, limit: int, share: int):
        call = uuid4().hex
        first, again = (
            self.queue.claim(limit=limit, share=share, lease_ms=QUEUE_LEASE_MS, call_id=call, now_ms=self.now)
            for _twice in range(2)
        )
        if first:
            assert first == again
        assert len(first) <= limit
        assert max(Counter(claim.connection for claim in first).values(), default=0) <= share
        for claim in first:
            assert claim.fence > self.world.fences.get(claim.entry, 0)
            self.world.fences[claim.entry] = claim.fence
        return multiple(*first)

    @rule(target=runs, claim=consumes(claims))
    def start(self, claim: Claim):
        return multiple(*self.begin_twice(claim))

    @rule(target=runs, claim=claims)
    def deliver_twice(self, claim: Claim):
        begun = self.begin_twice(claim)
        assert self.queue.start([(claim.entry, claim.fence)], lease_ms=RUN_LEASE_MS, now_ms=self.now) == []
        return multiple(*begun)

    def begin_twice(self, claim: Claim) -> list[ClaimedRun]:
        call = uuid4().hex
        begun, again = (
            self.queue.start([(claim.entry, claim.fence)], lease_ms=RUN_LEASE_MS, call_id=call, now_ms=self.now)
            for _twice in range(2)
        )
        assert begun == again
        for run in begun:
            assert run.fence > claim.fence
            assert run.request.account_id in self.world.records
            assert run.entry.startswith("r:") or self.world.records[run.request.account_id]["enabled"]
            self.world.fences[run.entry] = max(run.fence, self.world.fences.get(run.entry, 0))
        return begun

    @rule(run=consumes(runs))
    def complete(self, run: ClaimedRun) -> None:
        """The ledger knows a slot that an earlier attempt recorded; such a run isn't made again."""
        recorded = self.world.finished[run.request.run_id] > 0
        owned = self.queue.complete([(run.entry, run.fence)], now_ms=self.now)
        assert self.queue.complete([(run.entry, run.fence)], now_ms=self.now) == 0
        if owned:
            assert run.fence == self.world.fences[run.entry]
            if not (recorded and run.attempt > 1):
                self.world.finished[run.request.run_id] += 1
            if run.entry.startswith("a:"):
                slot = datetime.fromisoformat(run.request.context["slot"])
                self.world.slots[run.request.run_id] = slot.timestamp() * 1000
            self.world.asked.pop(run.request.run_id, None)

    @rule(run=consumes(runs), delay_ms=st.sampled_from([0, 1_000]))
    def release(self, run: ClaimedRun, delay_ms: int) -> None:
        self.queue.release([(run.entry, run.fence)], delay_ms=delay_ms, now_ms=self.now)
        assert self.queue.release([(run.entry, run.fence)], delay_ms=delay_ms, now_ms=self.now) == 0

    @rule(lost=consumes(claims))
    def lose_message(self, lost: Claim) -> None:
        pass

    @rule(lost=consumes(runs))
    def kill_worker(self, lost: ClaimedRun) -> None:
        pass

    @invariant()
    def every_entry_stands_in_exactly_one_place(self) -> None:
        health = Counter(
            entry
            for key in self.client.scan_iter("t:due:*:*", _type="zset")
            for entry in self.client.zrange(key, 0, -1)
        )
        wanted = {account_entry(name) for name, made in self.world.records.items() if made["enabled"]}
        assert {entry for entry in health if entry.startswith("a:")} == wanted
        assert {request_entry(run) for run in self.world.asked} <= health.keys()
        assert set(health.values()) <= {1}

    @invariant()
    def no_run_is_finished_twice(self) -> None:
        assert set(self.world.finished.values()) <= {0, 1}

    def teardown(self) -> None:
        """Once the faults end, everything that is due is run, and what is lost comes back."""
        self.now = max(self.now, self.latest) + RUN_LEASE_MS + max(INTERVALS_MS) + 1
        begun = set()
        for _round in range(40):
            for claim in self.queue.claim(limit=100, share=100, lease_ms=QUEUE_LEASE_MS, now_ms=self.now):
                for run in self.begin_twice(claim):
                    begun.add(run.entry)
                    self.complete(run)
            if not self.client.hexists("t:accounts", ""):
                self.rebuild()  # the clock had gone back
        assert {account_entry(name) for name, made in self.world.records.items() if made["enabled"]} <= begun
        assert not self.world.asked
        left = self.client.zcard("t:due:leases:one") + self.client.zcard("t:due:leases:two")
        assert left == 0
        assert self.client.hlen("t:due:details") == 0


def _run(client: redis.Redis, max_examples: int, steps: int) -> None:
    machine = type("Machine", (DueQueueMachine,), {"client": client})
    run_machine(
        machine,
        settings=settings(
            max_examples=max_examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_account_is_claimed_once_per_slot_whatever_happens(redis_client: redis.Redis) -> None:
    _run(redis_client, 40, 40)


@pytest.mark.slow
def test_every_account_is_claimed_once_per_slot_over_many_histories(redis_client: redis.Redis) -> None:
    _run(redis_client, 2_000, 80)
