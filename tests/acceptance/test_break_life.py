"""A break with real beats and workers: seen, confirmed and told; and an account whose runs stop."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import redis
from sqlalchemy import delete, insert

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.tables.local_book import Position
from tests.acceptance.schedule.site import Site
from tests.support.processes import Processes
from tests.support.waiting import wait_for

INTERVAL_SECONDS = 12.0


@pytest.fixture(params=["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Site]:
    with Site({"redis_url": redis_url, "database_url": request.getfixturevalue(request.param)}) as site:
        yield site


def events(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(fields["payload"]) for _, fields in client.xrange("reconciliation:events")]


def kinds(client: redis.Redis) -> list[str]:
    return [event["kind"] for event in events(client)]


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def test_a_real_break_is_published_within_15_seconds_and_again_when_it_ends(
    site: Site, processes: Processes, redis_client: redis.Redis
) -> None:
    (account_id,) = site.add(1, interval_seconds=INTERVAL_SECONDS)
    with write_transaction(site.parts.stores.engine) as connection:
        row = {"account_id": account_id, "symbol": "AAPL", "asset_type": "stock", "quantity": 10}
        connection.execute(insert(Position), [row])
    processes.worker(site.settings, concurrency=2, wait=False)
    processes.beat(site.settings, wait=False)

    wait_for(lambda: kinds(redis_client) == ["opened"], 90, "the break is told")
    (opened,) = events(redis_client)
    assert opened["break"]["type"] == "missing_broker"
    assert 5 <= seconds_between(opened["break"]["first_seen_at"], opened["at"]) <= 15
    assert "confirmation" in [run.context["trigger"] for run in site.runs()]

    with write_transaction(site.parts.stores.engine) as connection:
        connection.execute(delete(Position))
    wait_for(lambda: kinds(redis_client) == ["opened", "resolved"], 60, "its end is told")


@pytest.mark.slow
def test_an_account_whose_queue_is_dead_is_published_within_two_intervals_and_so_is_its_recovery(
    site: Site, processes: Processes, redis_client: redis.Redis
) -> None:
    site.add(1, interval_seconds=INTERVAL_SECONDS)
    processes.worker(site.settings, queues=["reconciliation.control"], wait=False)
    sweeps = processes.worker(site.settings, queues=["reconciliation.sweeps"], wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: len(site.runs()) >= 2, 90, "the account is run")
    sweeps.terminate()

    wait_for(lambda: kinds(redis_client) == ["missed_slot"], 60, "the dead queue is told")
    (missed,) = events(redis_client)
    assert seconds_between(missed["details"]["last_run_at"], missed["at"]) <= 2 * INTERVAL_SECONDS
    processes.worker(site.settings, queues=["reconciliation.sweeps"], wait=False)
    wait_for(lambda: kinds(redis_client) == ["missed_slot", "schedule_recovered"], 90, "its recovery is told")


def test_a_reader_that_falls_behind_is_published_and_so_is_its_return(
    site: Site, processes: Processes, redis_client: redis.Redis
) -> None:
    settings = {**site.settings, "event_stream_max_events": 1000}
    redis_client.xgroup_create("reconciliation:events", "pager", id="0", mkstream=True)
    for number in range(501):
        redis_client.xadd("reconciliation:events", {"payload": json.dumps({"kind": number})})
    processes.worker(settings, queues=["reconciliation.control"], wait=False)
    processes.beat(settings, wait=False)
    wait_for(lambda: kinds(redis_client)[501:] == ["stream_lag"], 90, "the slow reader is published")
    assert events(redis_client)[-1]["details"]["groups"] == ["pager"]
    redis_client.xreadgroup("pager", "one", {"reconciliation:events": ">"})
    wait_for(lambda: kinds(redis_client)[501:] == ["stream_lag", "stream_lag_ended"], 60, "its return is published")
