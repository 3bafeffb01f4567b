"""A login's limits and a hanging account, with real workers against a broker that measures."""

import pytest

from reconciliation.domain.model.accounts import Connection
from reconciliation.domain.model.runs import RunRequest
from tests.acceptance.schedule.http_broker import measuring_broker
from tests.acceptance.schedule.site import Site
from tests.support.places import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_for

OPENER = "tests.acceptance.schedule.http_broker:open_http_broker"


@pytest.fixture(autouse=True)
def workers_find_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def ask_for_all(site: Site, account_ids: list[str]) -> None:
    site.parts.coordination.due_queue.enqueue(
        [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in account_ids]
    )


def test_two_workers_with_two_slots_keep_to_the_limits_of_their_login(site: Site, processes: Processes) -> None:
    with measuring_broker(latency_seconds=0.04) as (broker, url):
        connection = Connection(
            name="slow", broker=OPENER, options={"url": url}, requests_per_second=50, concurrency=10
        )
        site.parts.stores.connection_store.add(connection)
        accounts = site.add(100, connection="slow", enabled=False)
        site.settings |= {"sweep_size": 25}
        for _ in range(2):
            processes.worker(site.settings, concurrency=2, wait=True)
        ask_for_all(site, accounts)
        processes.beat(site.settings, wait=False)
        wait_for(lambda: len(site.runs()) == 100, 90)

    # How much of the rate is used is measured by `make bench`, and by the clocked test of the gate.
    assert broker.most_at_once <= 10
    assert broker.most_in_a_second <= 50
    assert {run.outcome for run in site.runs()} == {"clean"}


def test_one_hanging_account_costs_the_others_nothing(site: Site, processes: Processes) -> None:
    with measuring_broker(latency_seconds=0.01, hanging=["ACC-0042"]) as (_, url):
        connection = Connection(name="http", broker=OPENER, options={"url": url}, concurrency=10)
        site.parts.stores.connection_store.add(connection)
        accounts = site.add(100, connection="http", enabled=False)
        site.settings |= {"read_timeout_seconds": 20, "sweep_size": 100}
        processes.worker(site.settings, concurrency=2)
        ask_for_all(site, accounts)
        processes.beat(site.settings, wait=False)
        wait_for(lambda: len(site.runs()) >= 99, 60)
        first = {run.account_id: run.outcome for run in site.runs()}
        wait_for(lambda: len(site.runs()) == 100, 60)

    assert set(first) == set(accounts) - {"ACC-0042"}, "the others did not wait for it"
    assert set(first.values()) == {"clean"}
    assert {run.account_id: run.outcome for run in site.runs()}["ACC-0042"] == "incomplete"


@pytest.mark.slow
def test_a_connection_that_fails_is_paused_with_its_cause_and_others_go_on(site: Site, processes: Processes) -> None:
    with measuring_broker(latency_seconds=0.01) as (_, url):
        site.parts.stores.connection_store.add(Connection(name="good", broker=OPENER, options={"url": url}))
        dead = Connection(name="dead", broker=OPENER, options={"url": "http://127.0.0.1:1"})
        site.parts.stores.connection_store.add(dead)
        site.add(20, prefix="GOOD", connection="good", interval_seconds=2.0)
        site.add(20, prefix="DEAD", connection="dead", interval_seconds=2.0)
        processes.worker(site.settings, concurrency=2)
        processes.beat(site.settings, wait=False)
        wait_for(lambda: min(site.runs_by_account().get(f"GOOD-{n:04}", 0) for n in range(20)) >= 3, 90)
        wait_for(lambda: site.parts.coordination.circuit_breaker.check("dead") is not None, 60)
        paused = site.parts.coordination.circuit_breaker.check("dead")
        outcomes = {(run.account_id[:4], run.outcome) for run in site.runs()}

    assert outcomes == {("GOOD", "clean"), ("DEAD", "incomplete")}
    assert "failed again and again" in str(paused)
