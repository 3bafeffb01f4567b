"""Workers killed, Redis gone and back, unfit or locked: no run is lost in silence, and nobody needs a restart."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.listener import ChannelListener
from reconciliation.client.request_run import run_through_worker
from reconciliation.domain.model.runs import RunRequest
from reconciliation.messages.runs import DISCREPANCY_CHANNEL, RESULT_CHANNEL
from reconciliation.settings import Settings
from tests.acceptance import slow_broker
from tests.builders.accounts import register
from tests.support.ended import children_of, is_gone
from tests.support.processes import Processes
from tests.support.spaces import space_of
from tests.support.waiting import wait_for

RECONCILE = "reconciliation.reconcile_account"
QUEUE = "reconciliation"
PASSWORD = "pl4nted"
#: As short as the settings allow, so that a redelivery comes within a test.
SHORT_LIMITS = {"task_time_limit_seconds": 5, "run_lease_seconds": 6, "visibility_timeout_seconds": 7}


@pytest.fixture
def settings(own_redis: RedisServer, sqlite_url: str) -> dict[str, object]:
    return {"redis_url": own_redis.url, "database_url": sqlite_url}


@pytest.fixture
def slow_settings(settings, tmp_path: Path) -> dict[str, object]:
    """A broker that answers when the test says so."""
    register(str(settings["database_url"]), "A-1")
    return settings | SHORT_LIMITS | {"broker": "slow", "broker_options": json.dumps({"directory": str(tmp_path)})}


@pytest.fixture
def sender(own_redis: RedisServer) -> Iterator[TaskSender]:
    sender = TaskSender(Settings(redis_url=own_redis.url, **SHORT_LIMITS))
    yield sender
    sender.close()


def test_a_worker_killed_in_mid_run_leaves_nothing_behind_and_its_run_is_made_again(
    slow_settings, sender: TaskSender, own_redis: RedisServer, processes: Processes, tmp_path: Path
):
    variables = slow_broker.install(tmp_path / "installed")
    request = RunRequest(account_id="A-1", context={"trigger": "on_demand"})
    first = processes.worker(slow_settings, variables=variables)
    children = children_of(first.pid)
    with (
        connect(own_redis.url, 5) as client,
        ChannelListener(space_of(client, "reconciliation:"), (RESULT_CHANNEL, DISCREPANCY_CHANNEL)) as listener,
        ThreadPoolExecutor(1) as waiter,
    ):
        waiting = waiter.submit(run_through_worker, sender, listener, request, 90)
        wait_for((tmp_path / "asked-A-1").exists)
        first.kill()
        wait_for(lambda: all(is_gone(child) for child in children), timeout_seconds=2)
        (tmp_path / "answer").touch()
        processes.worker(slow_settings, variables=variables)
        heard = waiting.result()
    assert heard.result["run_id"] == str(request.run_id)
    assert (tmp_path / "asked-A-1").read_text() == "asked\nasked\n"


def test_a_wrong_password_is_said_without_the_password_and_waited_out(
    settings, own_redis: RedisServer, processes: Processes
):
    wrong = own_redis.url.replace("redis://", f"redis://:{PASSWORD}@")
    with connect(own_redis.url, 5) as client:
        client.config_set("requirepass", "another")
        worker = processes.worker(settings | {"redis_url": wrong}, wait=False)
        worker.wait_for_log("invalid username-password pair")
        client.config_set("requirepass", PASSWORD)
        worker.wait_ready()
    assert PASSWORD not in worker.log()


def test_a_redis_that_throws_keys_away_is_refused_at_start_with_the_remedy(
    settings, own_redis: RedisServer, processes: Processes
):
    with connect(own_redis.url, 5) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    worker = processes.worker(settings, wait=False)
    assert worker.child.wait(60) == os.EX_CONFIG
    assert "this worker does not start: Redis at" in worker.log()
    assert "set `maxmemory-policy noeviction`" in worker.log()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_redis_away_at_start_is_a_clear_error_and_a_restart_during_a_run_still_ends_in_a_result(  # noqa: PLR0917 - fixtures
    slow_settings, sender: TaskSender, own_redis: RedisServer, processes: Processes, tmp_path: Path, pool: str
):
    own_redis.stop()
    variables = slow_broker.install(tmp_path / "installed")
    worker = processes.worker(slow_settings, wait=False, pool=pool, variables=variables)
    worker.wait_for_log("Cannot connect to redis://", timeout_seconds=60)
    own_redis.start()
    worker.wait_ready()
    assert "Traceback" not in worker.log(), "away at start is a sentence"

    task_id = sender.send(RECONCILE, {"account_id": "A-1"}, queue=QUEUE)
    wait_for((tmp_path / "asked-A-1").exists)
    own_redis.kill()
    (tmp_path / "answer").touch()
    worker.wait_for_log("Connection to broker lost")
    own_redis.start()
    wait_for(lambda: sender.state_of(sender.result_of(task_id)) == "SUCCESS", timeout_seconds=120)

    task_id = sender.send(RECONCILE, {"account_id": "A-2"}, queue=QUEUE)
    assert sender.result_of(task_id).get(timeout=60)["run_id"] == task_id
    assert worker.is_running()
