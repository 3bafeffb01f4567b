"""A real worker: it answers, each run is told under its own id, and no other format gets in."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from kombu import Connection, Exchange, Producer

from reconciliation.adapters.celery.task_sender import TaskMessage, TaskSender
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.adapters.redis.client import connect
from reconciliation.settings import Settings
from tests.support.ended import children_of
from tests.support.processes import Processes, WorkerProcess
from tests.support.waiting import wait_for

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


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A server of this module's own: other tests empty the shared one."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def worker(
    redis_server: RedisServer, migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """One worker with four children for all tests of this module: starting one is the slow part."""
    directory = tmp_path_factory.mktemp("worker")
    database = shutil.copy(migrated_sqlite_file, directory / "runs.db")
    settings = {"redis_url": redis_server.url, "database_url": f"sqlite:///{database}"}
    with Processes(directory) as started:
        yield started.worker(settings, concurrency=4)


@pytest.fixture
def listener(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with connect(redis_server.url, 5) as client:
        yield client


@pytest.fixture
def sender(redis_server: RedisServer) -> Iterator[TaskSender]:
    sender = TaskSender(Settings(redis_url=redis_server.url))
    yield sender
    sender.close()


def test_a_thousand_runs_are_each_published_under_their_own_id(
    worker: WorkerProcess, sender: TaskSender, listener: redis.Redis
):
    run_ids = {str(uuid4()) for _ in range(RUNS)}
    with listener.pubsub(ignore_subscribe_messages=True) as results:
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


def test_a_service_without_our_package_requests_runs_by_plain_celery(
    worker: WorkerProcess, redis_server: RedisServer, tmp_path: Path
):
    site_packages = Path(redis.__file__).parents[1]
    # -S leaves out the file by which our package is found; plain Celery is found by the path itself.
    script = f"import sys; sys.path.append({str(site_packages)!r})\n{PLAIN_CELERY}"
    argv = [sys.executable, "-I", "-S", "-c", script, redis_server.url]
    asked = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split("\n")[:2] == ["incomplete", "without the package"]


def test_a_pickled_message_is_refused_and_the_worker_goes_on(
    worker: WorkerProcess, sender: TaskSender, redis_server: RedisServer, tmp_path: Path
):
    planted = tmp_path / "planted"
    with Connection(redis_server.url, transport_options={"global_keyprefix": "reconciliation:celery:"}) as connection:
        exchange = Exchange("reconciliation", type="direct")
        Producer(connection, exchange, routing_key="reconciliation").publish(
            {"touch": planted}, serializer="pickle", headers={"task": RECONCILE, "id": str(uuid4())}
        )
    worker.wait_for_log("Refusing to deserialize")
    task_id = sender.send(RECONCILE, {"account_id": "A-1"}, queue="reconciliation")
    assert sender.result_of(task_id).get(timeout=30)["run_id"] == task_id
    assert not planted.exists()


def test_arguments_that_cannot_be_accepted_fail_with_a_sentence(worker: WorkerProcess, sender: TaskSender):
    refused = [
        ({"account_id": ""}, "account_id: '' is not a text; send a string that is not empty"),
        ({"account_id": "A-1", "schema": 2}, "schema is 2, but this worker understands 1"),
        ({"account_id": "A-1", "context": ["x"]}, "context is a list: it must be a JSON object"),
    ]
    for kwargs, sentence in refused:
        result = sender.result_of(sender.send(RECONCILE, kwargs, queue="reconciliation"))
        assert sentence in str(result.get(timeout=30, propagate=False))
        assert result.state == "FAILURE"
        worker.wait_for_log(f"refused: {sentence}")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_children_share_no_connection_to_redis(worker: WorkerProcess, sender: TaskSender):
    sent = [sender.send(RECONCILE, {"account_id": f"A-{number}"}, queue="reconciliation") for number in range(40)]
    for task_id in sent:
        assert sender.result_of(task_id).get(timeout=60)["run_id"] == task_id
    inherited = sockets_of(worker.pid)
    own = [sockets_of(child) - inherited for child in children_of(worker.pid)]
    assert len(own) == 4
    assert any(own), "they have opened their own"
    assert sum(map(len, own)) == len(set().union(*own)), "and share them with nobody"


def sockets_of(pid: int) -> set[str]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return {link for link in links if link.startswith("socket:")}
