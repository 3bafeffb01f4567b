from collections.abc import Sequence
from datetime import datetime, timedelta

from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import CoordinationError
from reconciliation.ports.run_ledger import Confirmation, Recording
from reconciliation.usecases.follow_up import RunFollowUp
from tests.builders.ledger import T0, after


class World:
    """Relay, due-queue and database in memory."""

    def __init__(self) -> None:
        self.asked: dict[str, RunRequest] = {}
        self.delays_ms: list[int] = []
        self.told: list[Sequence[str] | None] = []
        self.waiting: list[Confirmation] = []
        self.is_away = False

    def enqueue(self, requests: Sequence[RunRequest], *, delay_ms: int = 0) -> int:
        self.delays_ms.append(delay_ms)
        new = {str(request.run_id): request for request in requests if str(request.run_id) not in self.asked}
        self.asked |= new
        return len(new)

    def publish_waiting(self, account_ids: Sequence[str] | None = None) -> int:
        if self.is_away:
            raise CoordinationError("Redis is away")
        self.told.append(account_ids)
        return 3

    def overdue(self, before: datetime, limit: int) -> Sequence[Confirmation]:
        return [wanted for wanted in self.waiting if wanted.due_at < before][:limit]


def follow_up(world: World, now: datetime = T0) -> RunFollowUp:
    return RunFollowUp(relay=world, queue=world, wanted=world, now=lambda: now)


WANTED = Confirmation(account_id="A", due_at=after(5), in_a_row=2)


def test_after_a_commit_events_are_told_and_confirmations_asked_for_in_seconds() -> None:
    world = World()
    follow_up(world).follow_up(Recording(to_confirm=(WANTED,), to_publish=("A",)))
    (request,) = world.asked.values()
    assert (request.account_id, request.context) == ("A", {"trigger": "confirmation", "in_a_row": 2})
    assert (world.delays_ms, world.told) == ([5000], [("A",)])


def test_a_confirmation_that_never_came_is_asked_for_again_as_the_same_run() -> None:
    world = World()
    world.waiting = [WANTED]
    follow_up(world).follow_up(Recording(to_confirm=(WANTED,)))
    assert follow_up(world, after(15)).repair() == 3
    assert len(world.delays_ms) == 1
    follow_up(world, WANTED.due_at + timedelta(seconds=10.001)).repair()
    assert (world.delays_ms[-1], len(world.asked)) == (0, 1)


def test_redis_being_away_after_a_commit_is_no_failure_of_the_run(caplog) -> None:
    world = World()
    world.is_away = True
    follow_up(world).follow_up(Recording(to_publish=("A",)))
    assert "wait for the relay" in caplog.text
