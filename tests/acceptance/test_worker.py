"""A real worker: it answers, each run is told under its own id, and no other format gets in."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from kombu import Connection, Exchange, Producer

from reconciliation.publishing.task_sender import TaskMessage, TaskSender
from reconciliation.settings import Settings
from tests.processes import Processes
from tests.waiting import wait_for

RUNS = 1000
RECONCILE = "reconciliation.reconcile_account"
PLAIN_CELERY = """
import sys
from celery import Celery
assert not [name for name in sys.modules if name.startswith(("reconciliation", "tasks"))]
url = sys.argv[1]
app = Celery("orders", broker=url, backend=url)
app.conf.broker_transport_options = {"global_keyprefix": "reconciliation:celery:"}
app.conf.result_backend_transport_options = {"global_keyprefix": "reconciliation:celery:"}
asked = app.send_task(
    "reconciliation.reconcile_account",
    kwargs={"account_id": "A-1", "context": {"trigger": "on_demand", "by": "orders"}, "schema": 1},
    queue="reconciliation",
)
print(asked.get(timeout=60)["outcome"])
try:
    import reconciliation
except ImportError:
    print("without the package")
"""


@pytest.fixture
def settings(redis_url: str, sqlite_url: str) -> dict[str, object]:
    return {"redis_url": redis_url, "database_url": sqlite_url}


@pytest.fixture
def sender(redis_url: str) -> Iterator[TaskSender]:
    sender = TaskSender(Settings(redis_url=redis_url))
    yield sender
    sender.close()


def test_a_thousand_runs_are_each_told_under_their_own_id(
    settings, sender: TaskSender, processes: Processes, redis_client: redis.Redis
):
    processes.worker(settings, concurrency=2)
    run_ids = {str(uuid4()) for _ in range(RUNS)}
    with redis_client.pubsub(ignore_subscribe_messages=True) as results:
        results.subscribe("reconciliation:result")
        messages = [
            TaskMessage(
                name=RECONCILE,
                kwargs={"account_id": f"A-{number % 10}", "run_id": run_id, "context": {"number": number}},
                queue="reconciliation",
            )
            for number, run_id in enumerate(run_ids)
        ]
        sender.send_many(messages)
        told: dict[str, dict] = {}

        def all_told() -> bool:
            while message := results.get_message(timeout=0.2):
                payload = json.loads(message["data"])
                assert payload["run_id"] not in told, "told twice"
                told[payload["run_id"]] = payload
            return len(told) == RUNS

        wait_for(all_told, timeout_seconds=120)
    assert set(told) == run_ids
    for message in messages:
        payload = told[message.kwargs["run_id"]]
        assert payload["account_id"] == message.kwargs["account_id"]
        assert payload["context"] == message.kwargs["context"]


def test_a_service_without_our_package_asks_by_plain_celery(settings, processes: Processes, tmp_path: Path):
    processes.worker(settings)
    site_packages = Path(redis.__file__).parents[1]
    # -S leaves out the file by which our package is found; plain Celery is found by the path itself.
    script = f"import sys; sys.path.append({str(site_packages)!r})\n{PLAIN_CELERY}"
    argv = [sys.executable, "-I", "-S", "-c", script, settings["redis_url"]]
    asked = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split("\n")[:2] == ["incomplete", "without the package"]


def test_a_pickled_message_is_refused_and_the_worker_goes_on(
    settings, sender: TaskSender, processes: Processes, redis_url: str, tmp_path: Path
):
    worker = processes.worker(settings)
    planted = tmp_path / "planted"
    with Connection(redis_url, transport_options={"global_keyprefix": "reconciliation:celery:"}) as connection:
        exchange = Exchange("reconciliation", type="direct")
        Producer(connection, exchange, routing_key="reconciliation").publish(
            {"touch": planted}, serializer="pickle", headers={"task": RECONCILE, "id": str(uuid4())}
        )
    worker.wait_for_log("Refusing to deserialize")
    task_id = sender.send(RECONCILE, {"account_id": "A-1"}, queue="reconciliation")
    assert sender.result_of(task_id).get(timeout=30)["run_id"] == task_id
    assert not planted.exists()


def test_arguments_that_cannot_be_accepted_fail_with_a_sentence(settings, sender: TaskSender, processes: Processes):
    worker = processes.worker(settings)
    refused = [
        ({"account_id": ""}, "account_id is '': it must be a text that is not empty"),
        ({"account_id": "A-1", "schema": 2}, "schema is 2, but this worker understands 1"),
        ({"account_id": "A-1", "context": ["x"]}, "context is a list: it must be a JSON object"),
    ]
    for kwargs, sentence in refused:
        result = sender.result_of(sender.send(RECONCILE, kwargs, queue="reconciliation"))
        assert sentence in str(result.get(timeout=30, propagate=False))
        assert result.state == "FAILURE"
        assert f"refused: {sentence}" in worker.log()
    assert "Traceback" not in worker.log()
