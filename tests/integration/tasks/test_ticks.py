"""What beat sends: no clock of its host is in it, it does not pile up, and ticks of one moment are one."""

import json
import time
from datetime import timedelta

import pytest
import redis

from reconciliation.adapters.redis.ticks import Ticks
from reconciliation.messages.tasks import CONTROL_QUEUE, TASKS
from tasks.beat import MAX_WAITING_TICKS, HeartbeatScheduler
from tasks.celery import app
from tests.support.spaces import space_of

QUEUE = f"reconciliation:celery:{CONTROL_QUEUE}"


@pytest.fixture
def scheduler(redis_url: str, monkeypatch: pytest.MonkeyPatch):
    """Beat's scheduler in this process, with a Redis that no worker serves."""
    app.loader.import_default_modules()  # as beat does: else it would listen to results
    options = {**app.conf.broker_transport_options, "global_keyprefix": "reconciliation:celery:"}
    with app.connection_for_write(redis_url, transport_options=options) as connection:
        monkeypatch.setattr(app, "connection_for_write", lambda *_, **__: connection)
        yield HeartbeatScheduler(
            app=app, lazy=True, Producer=lambda *_, **named: app.amqp.Producer(connection, **named)
        )


def ticks(scheduler: HeartbeatScheduler, rounds: int = 1) -> None:
    scheduler.setup_schedule()
    for _ in range(rounds):
        for entry in scheduler.schedule.values():
            scheduler.apply_entry(entry, producer=scheduler.producer)


def messages(client: redis.Redis) -> list[dict]:
    queues = client.scan_iter("reconciliation:celery:reconciliation*", _type="list")
    return [json.loads(body) for queue in queues for body in client.lrange(queue, 0, -1)]


def test_no_tick_carries_a_time_of_the_clock_of_beats_host(scheduler, redis_client) -> None:
    ticks(scheduler)
    sent = {message["headers"]["task"]: message["headers"] for message in messages(redis_client)}
    assert set(sent) == {spec.name for spec in TASKS if spec.is_scheduled}
    assert {(headers["expires"], headers["eta"]) for headers in sent.values()} == {(None, None)}


def test_ticks_do_not_pile_up_while_workers_are_away(scheduler, redis_client) -> None:
    ticks(scheduler, rounds=60)
    assert redis_client.llen(QUEUE) <= MAX_WAITING_TICKS
    waiting = {message["headers"]["task"] for message in messages(redis_client)}
    assert waiting == {spec.name for spec in TASKS if spec.is_scheduled}, "each kind waits"


def test_after_a_step_back_of_the_clock_beat_goes_on(scheduler, redis_client, monkeypatch) -> None:
    scheduler.setup_schedule()
    wall = time.time
    while scheduler.tick() == 0:
        pass
    redis_client.flushall()
    for entry in scheduler.schedule.values():  # as if each had been sent an hour after the present moment
        entry.last_run_at = entry.default_now() + timedelta(hours=1)
    monkeypatch.setattr("tasks.beat.time.time", lambda: wall() - 3_600)
    scheduler.tick()
    assert all(entry.last_run_at <= entry.default_now() for entry in scheduler.schedule.values())


def test_of_ticks_that_begin_at_one_moment_one_does_its_work(redis_client) -> None:
    first, second = Ticks(space_of(redis_client)), Ticks(space_of(redis_client))
    assert [each.begin("dispatch", 60_000) for each in (first, second, first)] == [True, False, False]
    assert second.begin("another kind", 60_000)
    assert 0 < redis_client.pttl("t:tick:dispatch") <= 60_000


def test_a_tick_is_due_again_by_redis_own_clock(redis_client) -> None:
    guard = Ticks(space_of(redis_client))
    assert guard.begin("dispatch", 60_000)
    redis_client.pexpire("t:tick:dispatch", 0)
    assert guard.begin("dispatch", 60_000)
