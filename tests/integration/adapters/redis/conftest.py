"""A due-queue on the real server, with a clock that the test moves."""

import pytest
import redis

from reconciliation.adapters.redis.due_queue import Change
from tests.integration.adapters.redis.clocked_queue import ClockedQueue
from tests.integration.adapters.redis.records import record


@pytest.fixture
def queue(redis_client: redis.Redis) -> ClockedQueue:
    """An empty due-queue whose mirror is complete, at revision 0."""
    queue = ClockedQueue(redis_client)
    queue.fill([])
    return queue


@pytest.fixture
def one_account(queue: ClockedQueue) -> ClockedQueue:
    """A due-queue with account A on a 10 s interval, between two of its slots."""
    queue.fill([Change(account_id="A", record=record("A", 10_000))])
    queue.now_ms = queue.first_slot_ms("A", 10_000) + 3_000
    return queue
