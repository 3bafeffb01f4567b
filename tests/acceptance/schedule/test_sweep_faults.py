"""Sweeps that end before they are done: what was not finished is given back, and no account pays for another."""

import signal
from pathlib import Path
from typing import Any

import pytest

from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.runs import RunRequest
from tests.acceptance.schedule.poison_broker import OPENER
from tests.acceptance.schedule.site import Site
from tests.support.places import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_for

#: Long leases: what comes again within a test was given back.
LONG_LEASES = {"dispatch_lease_seconds": 300, "run_lease_seconds": 300, "visibility_timeout_seconds": 400}
#: The shortest that the settings allow: what a killed worker held comes again within seconds.
SHORT_LEASES = {
    "dispatch_lease_seconds": 3,
    "task_time_limit_seconds": 5,
    "run_lease_seconds": 6,
    "visibility_timeout_seconds": 7,
}


@pytest.fixture(autouse=True)
def workers_find_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def add(site: Site, directory: Path, *account_ids: str, **limits: Any) -> None:
    """Register accounts of the poison broker; nothing but what is asked for is run."""
    site.parts.stores.connection_store.add(
        Connection(name="poison", broker=OPENER, options={"directory": str(directory)}, **limits)
    )
    site.add_named(account_ids, connection="poison", enabled=False)


def enqueue(site: Site, *account_ids: str) -> None:
    site.parts.coordination.due_queue.enqueue(
        [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in account_ids]
    )


def outcomes(site: Site) -> dict[str, str]:
    return {run.account_id: run.outcome for run in site.runs()}


def times_asked(directory: Path, account_id: str) -> int:
    asked = directory / f"asked-{account_id}"
    return len(asked.read_text().splitlines()) if asked.exists() else 0


@pytest.mark.slow
def test_an_account_that_kills_its_workers_is_set_aside_and_the_others_are_run(
    site: Site, processes: Processes, tmp_path: Path
) -> None:
    good = [f"GOOD-{number}" for number in range(8)]
    accounts = [*good[:4], "KILL-1", *good[4:]]
    site.settings |= SHORT_LEASES | {"max_run_crashes": 2, "read_timeout_seconds": 3}
    add(site, tmp_path, *accounts)
    enqueue(site, *accounts)
    processes.worker(site.settings, concurrency=2)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: len(outcomes(site)) == len(accounts), 180, "every account was run")

    found = outcomes(site)
    assert {found[name] for name in good} == {"clean"}
    assert found["KILL-1"] == "incomplete"
    assert times_asked(tmp_path, "KILL-1") == 2, "no worker dies for it beyond max_run_crashes"


@pytest.mark.slow
def test_a_sweep_at_its_time_limit_releases_what_it_had_not_finished(
    site: Site, processes: Processes, tmp_path: Path
) -> None:
    site.settings |= LONG_LEASES | {"task_time_limit_seconds": 5, "read_timeout_seconds": 60}
    add(site, tmp_path, "GOOD-1", "HELD-1", "GOOD-2")
    enqueue(site, "GOOD-1", "HELD-1", "GOOD-2")
    worker = processes.worker(site.settings, concurrency=2, wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: outcomes(site) == {"GOOD-1": "clean", "GOOD-2": "clean"}, 90, "the others were run")
    wait_for(lambda: times_asked(tmp_path, "HELD-1") >= 2, 90, "it was given back, and begun again")

    assert "given up at the time limit" in worker.log()
    (tmp_path / "answer").touch()
    wait_for(lambda: outcomes(site).get("HELD-1") == "clean", 90, "it was run once its broker answered")


@pytest.mark.parametrize(
    "told", [signal.SIGTERM, pytest.param(signal.SIGQUIT, marks=pytest.mark.slow)], ids=["SIGTERM", "SIGQUIT"]
)
def test_a_stopping_worker_finishes_what_it_started_and_releases_the_rest(
    site: Site, processes: Processes, tmp_path: Path, told: signal.Signals
) -> None:
    accounts = [f"HELD-{number}" for number in range(5)]
    site.settings |= LONG_LEASES
    add(site, tmp_path, *accounts, concurrency=2)  # two accounts at once
    enqueue(site, *accounts)
    worker = processes.worker(site.settings, concurrency=1)
    beat = processes.beat(site.settings)
    wait_for(lambda: sum(times_asked(tmp_path, name) for name in accounts) >= 1, 60)
    beat.terminate()
    worker.child.send_signal(told)
    worker.wait_for_log("Warm shutdown" if told is signal.SIGTERM else "Initiating Soft Shutdown")
    (tmp_path / "answer").touch()

    worker.child.wait(60)
    begun = {name for name in accounts if times_asked(tmp_path, name)}
    assert outcomes(site) == dict.fromkeys(begun, "clean"), "what was begun is finished"
    assert len(begun) < len(accounts), "no further account was begun"
    assert list(site.parts.coordination.space.client.scan_iter("reconciliation:due:leases:*")) == [], (
        "nothing waits for a lease"
    )

    processes.worker(site.settings, concurrency=1, wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: outcomes(site) == dict.fromkeys(accounts, "clean"), 90, "the rest was run by the next worker")


@pytest.mark.slow
def test_a_requested_run_survives_its_worker_and_its_message(site: Site, processes: Processes, tmp_path: Path) -> None:
    site.settings |= SHORT_LEASES | {"read_timeout_seconds": 60}
    add(site, tmp_path, "HELD-1")
    request = RunRequest(account_id="HELD-1", context={"trigger": "on_demand", "note": "who asked, and why"})
    site.parts.messaging.task_sender.send(
        "reconciliation.reconcile_account",
        {"account_id": "HELD-1", "run_id": str(request.run_id), "context": request.context},
        queue="reconciliation",
    )
    worker = processes.worker(site.settings)
    wait_for(lambda: times_asked(tmp_path, "HELD-1") >= 1, 60)
    worker.kill()
    for key in site.parts.coordination.space.client.scan_iter("reconciliation:celery:*"):
        site.parts.coordination.space.client.delete(key)  # as the stock transport loses some for good
    (tmp_path / "answer").touch()
    processes.worker(site.settings, wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: outcomes(site) == {"HELD-1": "clean"}, 90)

    [run] = site.runs()
    assert (run.run_id, run.context) == (request.run_id, request.context)
