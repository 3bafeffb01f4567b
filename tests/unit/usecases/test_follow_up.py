from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from reconciliation.domain.breaks.apply_runs import Confirmation
from reconciliation.domain.model.runs import RunRequest
from reconciliation.ports.publishing import WaitingEvent
from reconciliation.ports.run_ledger import Recording
from reconciliation.usecases.follow_up import RunFollowUp
from reconciliation.usecases.relay_events import EventRelay
from tests.builders.ledger import T0, after
from tests.fakes.publishing import MemoryEventStream, MemoryOutbox
from tests.fakes.run_queue import MemoryRunQueue


class Wanted:
    """The confirmations that the database waits for."""

    def __init__(self) -> None:
        self.waiting: list[Confirmation] = []

    def overdue(self, before: datetime, limit: int) -> Sequence[Confirmation]:
        return [wanted for wanted in self.waiting if wanted.due_at < before][:limit]


class World:
    """Everything that a follow-up needs, in memory, with an event of account A and one of account B."""

    def __init__(self) -> None:
        self.queue = MemoryRunQueue()
        self.stream = MemoryEventStream()
        self.outbox = MemoryOutbox([event(1, "A"), event(2, "B")])
        self.wanted = Wanted()

    def follow_up(self, now: datetime = T0) -> RunFollowUp:
        relay = EventRelay(self.outbox, self.stream)
        return RunFollowUp(relay=relay, queue=self.queue, wanted=self.wanted, now=lambda: now)

    def due(self, after_ms: int) -> list[RunRequest]:
        self.queue.now_ms += after_ms
        claims = self.queue.claim(limit=9, share=9, lease_ms=1)
        return [run.request for run in self.queue.start([(one.entry, one.fence) for one in claims], lease_ms=1)]


def event(number: int, account_id: str) -> WaitingEvent:
    return WaitingEvent(id=number, event_id=uuid4(), account_id=account_id, kind="opened", payload={})


WANTED = Confirmation(account_id="A", due_at=after(5), in_a_row=2)


def test_after_a_commit_events_are_published_and_confirmations_requested_in_seconds() -> None:
    world = World()
    world.follow_up().follow_up(Recording(to_confirm=(WANTED,), to_publish=("A",)))
    assert world.due(4_999) == []
    (request,) = world.due(1)
    assert (request.account_id, request.context) == ("A", {"trigger": "confirmation", "in_a_row": 2})
    assert [event.account_id for event in world.stream.events] == ["A"]


def test_a_confirmation_that_never_came_is_requested_again_as_the_same_run() -> None:
    world = World()
    world.wanted.waiting = [WANTED]
    world.follow_up().follow_up(Recording(to_confirm=(WANTED,)))
    [first] = world.queue.requests()
    world.queue.entries.clear()
    assert world.follow_up(after(15)).repair() == 2
    assert world.queue.requests() == []
    world.follow_up(WANTED.due_at + timedelta(seconds=10.001)).repair()
    assert [request.run_id for request in world.due(0)] == [first.run_id]


def test_redis_being_away_after_a_commit_is_no_failure_of_the_run(caplog) -> None:
    world = World()
    world.stream.is_away = True
    world.follow_up().follow_up(Recording(to_publish=("A",)))
    assert "wait for the relay" in caplog.text
    assert len(world.outbox.events) == 2
