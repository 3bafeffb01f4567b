"""One worker and one beat, for real: bursts, streams, and fills at the worst moments."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import redis as redis_module

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.domain.model.models import OrderFill
from reconciliation.settings import Settings
from tests.support.fill_lab import PREFIX, FillLab, QueueCounter, began_at, ended_at
from tests.support.places import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_for

EDGES = [f"edge-{number}" for number in range(24)]
ACCOUNTS = ["burst", "stream", "during", "plain", "bust", "early-clock", "late-clock", "queued", *EDGES]
DELAY_SECONDS, CEILING_SECONDS = 0.4, 0.8
#: No pause between two fills of the burst is so long, not even on a machine that has other things to do.
BURST_DELAY_SECONDS = 2.5


@pytest.fixture(scope="module")
def lab(tmp_path_factory, migrated_sqlite_file) -> Iterator[FillLab]:
    directory = tmp_path_factory.mktemp("fills")
    database = directory / "book.db"
    database.write_bytes(migrated_sqlite_file.read_bytes())
    with (
        RedisServer() as server,
        FillLab(
            server.url,
            f"sqlite:///{database}",
            directory,
            ACCOUNTS,
            answer_delay_seconds=0.2,
            own={"burst": {"post_fill_delay_seconds": BURST_DELAY_SECONDS, "post_fill_max_wait_seconds": 120.0}},
            post_fill_delay_seconds=DELAY_SECONDS,
            post_fill_max_wait_seconds=CEILING_SECONDS,
        ) as lab,
        Processes(directory) as processes,
    ):
        # Threads: runs of this many accounts wait for the broker side by side.
        processes.worker(lab.settings, pool="threads", concurrency=8, wait=False)
        processes.beat(lab.settings)
        wait_for(lambda: lab.redis.hexists(f"{PREFIX}accounts", ""), what="the registry is mirrored")
        yield lab


def test_a_burst_of_ten_thousand_fills_is_one_run_and_few_messages(lab: FillLab):
    began = time.monotonic()
    with QueueCounter(str(lab.settings["redis_url"])) as queue:
        for first in range(0, 9_000, 100):
            lab.reporter.report_fills([("burst", {"fill_id": f"F-{number}"}) for number in range(first, first + 100)])
        for number in range(9_000, 10_000):
            lab.reporter.report_fill("burst", {"fill_id": f"F-{number}", "order_id": "O-9", "symbol": "MSFT"})
        burst_seconds = time.monotonic() - began
        [run] = wait_for(lambda: lab.results.completed("burst"))
        lab.wait_settled()
    assert len(lab.results.completed("burst")) == 1
    context = run["context"]
    assert context["fill_count"] == 10_000
    assert (context["trigger"], context["order_id"], context["fill_id"]) == ("post_fill", "O-9", "F-9999")
    assert 1 <= queue.messages <= 2 + burst_seconds / BURST_DELAY_SECONDS, "at most one message per delay"


def test_a_steady_stream_is_run_at_every_ceiling(lab: FillLab):
    until = time.monotonic() + 10 * CEILING_SECONDS
    fills = 0
    while time.monotonic() < until:
        lab.fill("stream", str(fills))
        fills += 1
        wait_for_seconds(DELAY_SECONDS / 2)
    lab.wait_settled()
    runs = lab.results.completed("stream")
    assert sum(run["context"]["fill_count"] for run in runs) == fills
    for earlier, later in pairwise(runs):
        first_fill_at = later["context"]["first_fill_at"]
        assert began_at(later) >= ended_at(earlier)
        # 1 s for a worker that has other things to do; without the ceiling it would be all ten of them.
        assert began_at(later) - began_at({"timestamp": first_fill_at}) < CEILING_SECONDS + 1
    assert len(runs) >= 3


def wait_for_seconds(seconds: float) -> None:
    """Let time pass: here the pace of the fills is what is tested."""
    time.sleep(seconds)


def test_a_fill_during_a_run_leads_to_a_run_that_began_after_it(lab: FillLab):
    key = "reconciliation:fills:window:during"
    lab.fill("during", "first")
    wait_for(lambda: lab.redis.hget(key, "phase") == "running")
    reported_at = lab.fill("during", "second")
    wait_for(lambda: len(lab.results.completed("during")) == 2)
    first, second = lab.results.completed("during")
    assert (first["context"]["fill_id"], second["context"]["fill_id"]) == ("first", "second")
    assert began_at(second) >= max(ended_at(first), reported_at)


def test_a_fill_in_the_last_millisecond_is_covered_or_opens_a_new_window(lab: FillLab):
    chance = random.Random(7)  # noqa: S311 - the same edges every time
    due = {account_id: lab.fill(account_id, "first") + DELAY_SECONDS for account_id in EDGES}
    second_at = {}
    for account_id in EDGES:
        wait_for_seconds(max(0, due[account_id] + chance.uniform(-0.006, 0.006) - time.time()))
        second_at[account_id] = lab.fill(account_id, "second")
    for account_id in EDGES:
        lab.wait_covered(account_id, second_at[account_id])
    lab.wait_settled()
    for account_id in EDGES:
        runs = lab.results.completed(account_id)
        assert sum(run["context"]["fill_count"] for run in runs) == 2
        assert runs[-1]["context"]["fill_id"] == "second"


def test_a_service_without_our_package_reports_by_plain_celery(lab: FillLab, tmp_path):
    script = ROOT / "examples" / "order_service_send_task.py"
    site_packages = Path(redis_module.__file__).parents[1]
    # -S leaves out the file by which our package is found; plain Celery is found by the path itself.
    code = f"import sys, runpy; sys.path.append({str(site_packages)!r}); runpy.run_path({str(script)!r})"
    argv = [sys.executable, "-I", "-S", "-c", code]
    environment = {"ORDERS_REDIS_URL": str(lab.settings["redis_url"]), "ORDERS_ACCOUNT": "plain"}
    sent = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert sent.returncode == 0, sent.stderr
    [run] = wait_for(lambda: lab.results.completed("plain"))
    assert run["context"]["fill_id"] == "F-1001"


@pytest.fixture
def sender(lab: FillLab) -> Iterator[TaskSender]:
    sender = TaskSender(Settings(redis_url=str(lab.settings["redis_url"])))
    yield sender
    sender.close()


def test_a_bust_triggers_a_run_that_says_so(lab: FillLab):
    lab.fill("bust", "F-2", event="bust", corrects_fill_id="F-1")
    [run] = wait_for(lambda: lab.results.completed("bust"))
    assert run["context"]["event"] == "bust"


@pytest.mark.parametrize(("account_id", "year"), [("early-clock", 2001), ("late-clock", 2090)])
def test_the_clock_of_a_producer_decides_nothing(lab: FillLab, account_id, year):
    fill = OrderFill("F-1", "O-1", "AAPL", "buy", 1, 1, datetime(year, 1, 1, tzinfo=UTC))
    lab.reporter.report_fill(account_id, fill)
    reported_at = lab.fill(account_id, "F-2")
    run = lab.wait_covered(account_id, reported_at)
    assert run["context"]["fill_id"] == "F-2"
    assert run["context"]["fill_count"] == 2


def test_a_bad_message_fails_by_the_name_of_its_field_and_the_next_one_is_taken(lab: FillLab, sender: TaskSender):
    name, queue = "reconciliation.take_fill", "reconciliation.fills"
    bad = sender.send(name, {"schema": 1, "account_id": "queued", "quantity": "many"}, queue=queue)
    good = sender.send(name, {"schema": 1, "account_id": "queued", "quantity": "5"}, queue=queue)
    with pytest.raises(Exception, match="quantity: 'many' is not a number"):
        sender.result_of(bad).get(timeout=30)
    assert sender.result_of(good).get(timeout=30) == {"account_id": "queued", "outcome": "recorded"}
    [run] = wait_for(lambda: lab.results.completed("queued"))
    assert run["context"]["fill_count"] == 1
