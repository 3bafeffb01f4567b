"""The schedule with real beats and real workers."""

from itertools import pairwise

import pytest

from reconciliation.domain.model.runs import utc_now
from reconciliation.ports.accounts import AccountFilter
from tests.acceptance.schedule.site import Site, missed
from tests.support.processes import Processes
from tests.support.waiting import wait_for


def run_for(
    site: Site, processes: Processes, *, count: int, interval_seconds: float, slots: int, kill: bool, late: float = 0
) -> None:
    """Run `count` accounts with three beats and two workers until each has had `slots` slots.

    A run stands for the slot in which it begins: an account may miss `late` slots, and those in which the machine was
    so busy that no account at all was run.
    """
    site.settings |= {"dispatch_lease_seconds": 5, "run_lease_seconds": 20, "task_time_limit_seconds": 15}
    site.settings |= {"read_timeout_seconds": 3, "startup_runs_per_second": 1_000}
    site.add(count, interval_seconds=interval_seconds)
    workers = [processes.worker(site.settings, concurrency=2, wait=False) for _ in range(2)]
    beats = [processes.beat(site.settings, wait=False) for _ in range(3)]
    if kill:
        wait_for(lambda: len(site.runs()) > count, 90, "every account was run")
        beats[0].kill()
        workers[0].kill()
        processes.worker(site.settings, concurrency=2, wait=False)
    wait_for(lambda: len(site.runs()) > count * slots, 60 + slots * interval_seconds * 3, "slots were run")
    for process in [*beats[kill:], *workers[kill:]]:
        process.terminate()

    found = site.slots()
    assert len(found) == count
    assert all(len(set(each)) == len(each) for each in found.values()), "a slot was run twice"
    standstill = int(site.longest_standstill_seconds() // interval_seconds)
    assert max(missed(each, interval_seconds) for each in found.values()) <= late + standstill
    assert {run.outcome for run in site.runs()} == {"clean"}


def test_three_beats_and_two_workers_run_each_slot_once(site: Site, processes: Processes) -> None:
    run_for(site, processes, count=60, interval_seconds=3, slots=3, kill=False, late=1)


@pytest.mark.slow
def test_two_thousand_accounts_for_a_minute_have_one_run_per_slot(site: Site, processes: Processes) -> None:
    run_for(site, processes, count=2_000, interval_seconds=10, slots=6, kill=False)


@pytest.mark.slow
def test_a_beat_and_a_worker_killed_cost_no_slot_beyond_the_lease(site: Site, processes: Processes) -> None:
    # What was under way comes again when its lease (20 s) is over, as one run.
    run_for(site, processes, count=500, interval_seconds=10, slots=6, kill=True, late=3)


def test_changes_of_the_registry_are_effective_within_seconds(site: Site, processes: Processes) -> None:
    site.add(3, interval_seconds=2.0)
    processes.worker(site.settings, concurrency=1, wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: len(site.runs_by_account()) == 3, 60)

    site.parts.stores.registry.change(AccountFilter(account_ids=["ACC-0001"]), enabled=False)
    site.parts.stores.registry.remove(["ACC-0002"])
    site.add(1, prefix="NEW", interval_seconds=2.0)
    wait_for(lambda: "NEW-0000" in site.runs_by_account(), 15)
    before = site.runs_by_account()
    wait_for(lambda: site.runs_by_account()["ACC-0000"] >= before["ACC-0000"] + 3, 30)
    after = site.runs_by_account()

    assert after["ACC-0001"] == before["ACC-0001"]
    assert after["ACC-0002"] == before["ACC-0002"]
    assert site.runs()[0].context["trigger"] == "startup"


@pytest.mark.slow
def test_each_change_of_the_registry_is_effective_within_five_seconds(site: Site, processes: Processes) -> None:
    site.add(3, interval_seconds=1.0)
    site.add(1, prefix="SELDOM", interval_seconds=3600)
    processes.worker(site.settings, concurrency=2)
    processes.beat(site.settings)
    wait_for(lambda: len(site.runs_by_account()) == 4 and len(site.runs()) >= 10, 60)
    took: dict[str, float] = {}

    changed = utc_now()
    site.add(1, prefix="NEW", interval_seconds=3600)
    took["added"] = site.wait_for_run_after(changed, "NEW-0000")
    changed = utc_now()
    site.parts.stores.registry.change(AccountFilter(account_ids=["SELDOM-0000"]), interval_seconds=1.0)
    took["interval changed"] = site.wait_for_run_after(changed, "SELDOM-0000") - 1.0  # its next slot
    changed = utc_now()
    site.parts.stores.registry.change(AccountFilter(account_ids=["ACC-0001"]), enabled=False)
    site.parts.stores.registry.remove(["ACC-0002"])
    before = site.runs_by_account()["ACC-0000"]
    wait_for(lambda: site.runs_by_account()["ACC-0000"] >= before + 8, 60)
    for what, account_id in (("disabled", "ACC-0001"), ("removed", "ACC-0002")):
        last = max(run.timestamp for run in site.runs() if run.account_id == account_id)
        took[what] = (last - changed).total_seconds()

    print({what: f"{seconds:.1f} s" for what, seconds in took.items()})  # noqa: T201 - for docs/performance.md
    assert max(took.values()) <= 5, took


def test_an_emptied_redis_is_filled_again_and_no_slot_is_run_twice(site: Site, processes: Processes) -> None:
    site.add(40, interval_seconds=3.0)
    processes.worker(site.settings, concurrency=2, wait=False)
    processes.beat(site.settings, wait=False)
    wait_for(lambda: len(site.runs()) >= 80, 60)

    site.parts.coordination.space.client.flushall()
    wait_for(site.parts.account_mirror.is_complete, 60)
    assert site.parts.coordination.space.client.hlen("reconciliation:accounts") == 41
    before = len(site.runs())
    wait_for(lambda: len(site.runs()) >= before + 80, 60)

    assert all(len(set(each)) == len(each) for each in site.slots().values())


def test_workers_stopped_for_three_intervals_run_each_account_once_and_keep_the_grid(
    site: Site, processes: Processes
) -> None:
    interval_seconds = 2.0
    site.add(20, interval_seconds=interval_seconds)
    worker = processes.worker(site.settings, concurrency=2, wait=False)
    beat = processes.beat(site.settings)
    wait_for(lambda: len(site.runs()) >= 60, 60)
    worker.terminate()
    stopped = len(site.runs())
    sent = site.parts.coordination.space.client.time()[0]
    wait_for(lambda: site.parts.coordination.space.client.time()[0] - sent >= 3 * interval_seconds + 1, 30)
    processes.worker(site.settings, concurrency=2)
    wait_for(lambda: len(site.runs()) >= stopped + 40, 60)
    beat.terminate()

    for each in site.slots().values():
        gaps = [round((later - earlier) / interval_seconds, 3) for earlier, later in pairwise(each)]
        assert all(gap == int(gap) and gap >= 1 for gap in gaps), "off the grid, or twice"
        assert max(gaps) >= 3, "the missed slots led to one run"
