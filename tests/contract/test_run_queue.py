"""What every queue of runs does, shown for requested runs: the fake in memory keeps what Redis promises."""

from uuid import uuid4

import pytest

from reconciliation.domain.model.runs import RunRequest
from tests.fakes.run_queue import MemoryRunQueue
from tests.integration.adapters.redis.clocked_queue import ClockedQueue

LEASE_MS = 10_000


class InRedis:
    """The queue in Redis by the clock of the test."""

    def __init__(self, client) -> None:
        self._clocked = ClockedQueue(client)
        self._clocked.fill([])
        self.now_ms = self._clocked.now_ms

    def __getattr__(self, name: str):
        method = getattr(self._clocked.inner, name)
        return lambda *given, **named: method(*given, now_ms=self.now_ms, **named)


@pytest.fixture(params=["memory", "redis"])
def queue(request: pytest.FixtureRequest):
    return MemoryRunQueue() if request.param == "memory" else InRedis(request.getfixturevalue("redis_client"))


def request_of(account_id: str = "A") -> RunRequest:
    return RunRequest(account_id=account_id, context={"trigger": "on_demand"}, run_id=uuid4())


def claim(queue, limit: int = 9, **limits):
    return queue.claim(limit=limit, share=9, lease_ms=LEASE_MS, **limits)


def pairs(entries):
    return [(each.entry, each.fence) for each in entries]


def test_a_run_is_claimed_when_it_is_due_and_by_one_caller(queue) -> None:
    request = request_of()
    assert queue.enqueue([request], delay_ms=1_000) == 1
    assert claim(queue) == []
    queue.now_ms += 1_000
    claims = claim(queue)
    assert claim(queue) == []
    [run] = queue.start(pairs(claims), lease_ms=LEASE_MS)
    assert (run.request, run.attempt, run.crashes) == (request, 1, 0)


def test_a_known_run_is_not_added_again_even_when_it_is_complete(queue) -> None:
    request = request_of()
    assert [queue.enqueue([request]), queue.enqueue([request])] == [1, 0]
    run = queue.start(pairs(claim(queue)), lease_ms=LEASE_MS)
    assert queue.complete(pairs(run)) == 1
    assert (queue.enqueue([request]), claim(queue)) == (0, [])


def test_a_requested_run_is_claimed_by_its_id_before_it_is_due(queue) -> None:
    request, other = request_of(), request_of()
    queue.enqueue([request, other], delay_ms=60_000)
    claims = queue.claim_by_id([request.run_id], lease_ms=LEASE_MS)
    assert queue.claim_by_id([request.run_id], lease_ms=LEASE_MS) == []
    assert [run.request for run in queue.start(pairs(claims), lease_ms=LEASE_MS)] == [request]


def test_a_claim_is_started_once(queue) -> None:
    queue.enqueue([request_of()])
    claims = claim(queue)
    assert len(queue.start(pairs(claims), lease_ms=LEASE_MS)) == 1
    assert queue.start(pairs(claims), lease_ms=LEASE_MS) == []


def test_a_released_run_is_due_again_and_its_old_fence_is_ignored(queue) -> None:
    queue.enqueue([request_of()])
    runs = queue.start(pairs(claim(queue)), lease_ms=LEASE_MS)
    assert queue.release(pairs(runs), delay_ms=500) == 1
    assert (queue.complete(pairs(runs)), claim(queue)) == (0, [])
    queue.now_ms += 500
    [again] = queue.start(pairs(claim(queue)), lease_ms=LEASE_MS)
    assert (again.attempt, again.crashes) == (2, 0)


def test_a_run_whose_lease_is_over_comes_again_and_counts_the_crash(queue) -> None:
    queue.enqueue([request_of()])
    lost = queue.start(pairs(claim(queue)), lease_ms=LEASE_MS)
    queue.now_ms += LEASE_MS
    [again] = claim(queue)
    assert again.crashes == 1
    assert queue.complete(pairs(lost)) == 0


def test_a_claim_whose_lease_is_over_is_no_crash(queue) -> None:
    queue.enqueue([request_of()])
    stale = claim(queue)
    queue.now_ms += LEASE_MS
    [again] = claim(queue)
    assert again.crashes == 0
    assert queue.start(pairs(stale), lease_ms=LEASE_MS) == []


def test_a_claim_takes_no_more_than_its_limit_and_what_may_be_in_flight(queue) -> None:
    queue.enqueue([request_of() for _ in range(5)])
    assert len(claim(queue, limit=2)) == 2
    assert len(claim(queue, in_flight_limits={"default": 3})) == 1
