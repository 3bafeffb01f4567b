"""The due-queue, one situation a test, on the real server."""

from collections import Counter
from datetime import datetime
from itertools import pairwise
from uuid import uuid4

from reconciliation.adapters.redis.account_mirror import phase_ms
from reconciliation.adapters.redis.due_queue import Change, slot_run_id
from reconciliation.domain.model.runs import RunRequest
from tests.integration.adapters.redis.clocked_queue import QUEUE_LEASE_MS, RUN_LEASE_MS, ClockedQueue
from tests.integration.adapters.redis.records import record


def slot_ms(run) -> int:
    return round(datetime.fromisoformat(run.request.context["slot"]).timestamp() * 1000)


def asked(account_id: str = "A", **context) -> RunRequest:
    return RunRequest(account_id=account_id, context={"trigger": "on_demand", **context})


def test_slots_stay_on_their_grid_however_late_they_are_run(one_account: ClockedQueue) -> None:
    one_account.run_all()
    slots = []
    for late_ms in (0, 900, 4_000, 10):
        one_account.now_ms = one_account.first_slot_ms("A", 10_000) + 10_000 * (len(slots) + 1) + late_ms
        (run,) = one_account.run_all()
        slots.append(slot_ms(run))

    assert [later - earlier for earlier, later in pairwise(slots)] == [10_000] * 3
    assert slots[0] % 10_000 == record("A", 10_000)["phase_ms"]


def test_three_missed_slots_lead_to_one_run_which_stands_for_the_latest(one_account: ClockedQueue) -> None:
    one_account.run_all()
    one_account.pass_ms(3 * 10_000)

    (run,) = one_account.run_all()

    assert slot_ms(run) == one_account.first_slot_ms("A", 10_000) + 3 * 10_000
    assert one_account.run_all() == []


def test_a_run_that_waited_long_in_a_queue_stands_for_the_slot_in_which_it_begins(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    claims = one_account.claim()
    one_account.pass_ms(20_000)

    (run,) = one_account.start(claims)
    one_account.complete([run])

    assert slot_ms(run) == one_account.first_slot_ms("A", 10_000) + 30_000
    assert one_account.run_all() == []


def test_two_beats_never_claim_the_same_account(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    assert len(one_account.claim()) == 1
    assert one_account.claim() == []


def test_a_lost_message_costs_the_lease_and_is_no_crash(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    (lost,) = one_account.claim()
    one_account.pass_ms(QUEUE_LEASE_MS)

    (again,) = one_account.claim()

    assert (again.entry, again.crashes) == (lost.entry, 0)
    assert one_account.start([lost]) == []
    (run,) = one_account.start([again])
    assert run.attempt == 2


def test_a_worker_killed_in_a_run_counts_as_a_crash_of_that_account(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    one_account.start(one_account.claim())
    one_account.pass_ms(RUN_LEASE_MS - 1)
    assert one_account.claim() == []
    one_account.pass_ms(1)

    assert [claim.crashes for claim in one_account.claim()] == [1]


def test_the_late_finish_of_an_old_owner_is_refused(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    old = one_account.start(one_account.claim())
    one_account.pass_ms(RUN_LEASE_MS)
    new = one_account.start(one_account.claim())

    assert one_account.complete(old) == 0
    assert one_account.release(old) == 0
    assert new[0].fence > old[0].fence
    assert one_account.complete(new) == 1


def test_a_second_delivery_of_the_same_message_begins_nothing(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    claims = one_account.claim()
    assert len(one_account.start(claims)) == 1
    assert one_account.start(claims) == []


def test_what_is_released_is_due_again_as_the_same_run(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    runs = one_account.start(one_account.claim())
    one_account.release(runs, delay_ms=500)
    assert one_account.claim() == []
    one_account.pass_ms(500)

    (again,) = one_account.start(one_account.claim())

    assert again.request.run_id == runs[0].request.run_id == slot_run_id("A", slot_ms(again))
    assert (again.attempt, again.crashes) == (2, 0)


def test_several_requested_runs_of_one_account_are_all_made_with_their_context(one_account: ClockedQueue) -> None:
    requests = [asked(by="ops"), asked(reason="split", tags=[], nested={})]
    assert one_account.inner.enqueue(requests, now_ms=one_account.now_ms) == 2

    runs = one_account.run_all()

    assert {run.request.run_id: run.request.context for run in runs if run.entry.startswith("r:")} == {
        request.run_id: request.context for request in requests
    }


def test_a_requested_run_survives_a_lost_message_and_is_not_made_again_after_it_is_done(
    one_account: ClockedQueue,
) -> None:
    request = asked()
    one_account.run_all()
    one_account.inner.enqueue([request], now_ms=one_account.now_ms)
    assert len(one_account.claim()) == 1
    one_account.pass_ms(QUEUE_LEASE_MS)

    assert [run.request for run in one_account.run_all()] == [request]
    assert one_account.inner.enqueue([request], now_ms=one_account.now_ms) == 0
    assert one_account.run_all() == []


def test_requested_runs_have_priority_over_a_backlog(queue: ClockedQueue) -> None:
    queue.fill([Change(account_id=f"A{n}", record=record(f"A{n}", 1_000)) for n in range(50)])
    queue.pass_ms(60_000)
    queue.inner.enqueue([asked("A7")], now_ms=queue.now_ms)

    assert [claim.entry[:2] for claim in queue.claim(limit=2)] == ["r:", "a:"]


def test_a_requested_run_of_an_unregistered_account_uses_the_default_connection(queue: ClockedQueue) -> None:
    queue.inner.enqueue([asked("stranger")], now_ms=queue.now_ms)
    assert [claim.connection for claim in queue.claim()] == ["default"]


def test_a_requested_run_is_claimed_by_id_before_it_is_due_and_only_once(one_account: ClockedQueue) -> None:
    request = asked()
    one_account.inner.enqueue([request], delay_ms=60_000, now_ms=one_account.now_ms)

    (claim,) = one_account.inner.claim_by_id([request.run_id], lease_ms=QUEUE_LEASE_MS, now_ms=one_account.now_ms)

    assert one_account.inner.claim_by_id([request.run_id], lease_ms=QUEUE_LEASE_MS, now_ms=one_account.now_ms) == []
    assert [run.request for run in one_account.start([claim])] == [request]


def test_an_account_removed_while_waiting_queued_or_running_leaves_no_keys(one_account: ClockedQueue) -> None:
    for stage in ("waiting", "queued", "running"):
        one_account.fill([Change(account_id="A", record=record("A", 10_000), startup_ms=0)])
        one_account.pass_ms(20_000)
        claims = one_account.claim() if stage != "waiting" else []
        runs = one_account.start(claims) if stage == "running" else []
        one_account.fill([Change(account_id="A", record=None)])

        assert one_account.start(claims) == []
        assert one_account.complete(runs) == 0
        one_account.pass_ms(100_000)
        assert one_account.claim() == []
        left = [key for key in one_account.keys_left() if ":call:" not in key]
        assert left == ["t:accounts", "t:due:clock", "t:fence"], stage


def test_requested_runs_of_a_removed_account_are_dropped(one_account: ClockedQueue) -> None:
    one_account.inner.enqueue([asked()], now_ms=one_account.now_ms)
    one_account.fill([Change(account_id="A", record=None)])
    assert one_account.start(one_account.claim()) == []
    assert one_account.client.hlen("t:due:details") == 0


def test_a_change_while_an_account_runs_waits_for_the_end_of_the_run(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    runs = one_account.start(one_account.claim())
    one_account.fill([Change(account_id="A", record=record("A", 60_000, connection="other"))])
    assert one_account.claim() == []
    one_account.complete(runs)
    one_account.pass_ms(60_000)

    assert [claim.connection for claim in one_account.claim()] == ["other"]


def test_a_shorter_interval_counts_at_once(queue: ClockedQueue) -> None:
    queue.fill([Change(account_id="A", record=record("A", 3_600_000))])
    queue.fill([Change(account_id="A", record=record("A", 1_000))])
    queue.pass_ms(1_000)
    assert len(queue.claim()) == 1


def test_a_new_account_has_a_startup_run_and_then_its_slots(queue: ClockedQueue) -> None:
    queue.fill([Change(account_id="A", record=record("A", 10_000), startup_ms=0)])
    first = queue.run_all()
    queue.pass_ms(10_000)
    second = queue.run_all()

    assert [run.request.context["trigger"] for run in first + second] == ["startup", "periodic"]


def test_data_lost_by_redis_costs_no_slot_and_doubts_the_present_one(queue: ClockedQueue) -> None:
    day_ms = 86_400_000
    queue.client.flushall()
    queue.fill([Change(account_id="A", record=record("A", day_ms), recover_ms=RUN_LEASE_MS)])
    assert queue.claim() == []
    queue.pass_ms(RUN_LEASE_MS)

    (run,) = queue.start(queue.claim())

    assert run.attempt == 2
    assert slot_ms(run) == queue.first_slot_ms("A", day_ms) - day_ms


def test_no_connection_crowds_out_another(queue: ClockedQueue) -> None:
    changes = [Change(account_id=f"B{n}", record=record(f"B{n}", 1_000, connection="big")) for n in range(50)]
    queue.fill([*changes, Change(account_id="S", record=record("S", 1_000, connection="small"))])
    queue.pass_ms(1_000)

    claimed = Counter(claim.connection for claim in queue.claim(limit=20, share=10, in_flight_limits={"big": 15}))
    assert claimed == {"big": 10, "small": 1}
    assert len(queue.claim(limit=20, share=10, in_flight_limits={"big": 15})) == 5
    assert queue.claim(limit=20, share=10, in_flight_limits={"big": 15}) == []


def test_first_slots_are_spread_evenly(queue: ClockedQueue) -> None:
    interval_ms = 60_000
    buckets = Counter(phase_ms(f"ACC-{n:06}", interval_ms) * 60 // interval_ms for n in range(60_000))

    assert set(buckets) == set(range(60))
    assert max(buckets.values()) < 1.2 * 1_000
    assert min(buckets.values()) > 0.8 * 1_000


def test_after_the_clock_went_back_the_queue_is_rebuilt(one_account: ClockedQueue) -> None:
    one_account.pass_ms(365 * 86_400_000)
    one_account.run_all()
    one_account.pass_ms(-365 * 86_400_000)
    assert one_account.claim() == []
    assert not one_account.client.hexists("t:accounts", "")

    one_account.fill([Change(account_id="A", record=record("A", 10_000), recover_ms=RUN_LEASE_MS)])
    one_account.pass_ms(10_000)

    assert len(one_account.run_all()) == 1


def test_an_entry_that_fell_out_of_the_queue_is_put_back_by_the_audit(one_account: ClockedQueue) -> None:
    one_account.client.delete("t:due:slots:default")
    assert one_account.inner.requeue_lost(accounts=100, now_ms=one_account.now_ms) == 1
    assert one_account.inner.requeue_lost(accounts=100, now_ms=one_account.now_ms) == 0
    one_account.pass_ms(10_000)
    assert len(one_account.claim()) == 1


def test_fencing_numbers_grow_even_when_redis_lost_its_data(one_account: ClockedQueue) -> None:
    one_account.pass_ms(10_000)
    (before,) = one_account.claim()
    one_account.client.flushall()
    one_account.pass_ms(10_000)
    one_account.inner.enqueue([asked()], now_ms=one_account.now_ms)

    assert one_account.claim()[0].fence > before.fence


def test_a_stale_part_of_a_refill_is_refused(queue: ClockedQueue) -> None:
    queue.client.set("t:due:rebuild", "new owner")
    change = Change(account_id="removed meanwhile", record=record("x", 1_000))

    assert not queue.inner.rebuild([change], token="old owner", lease_ms=1_000)
    assert not queue.inner.apply_changes([change], since=7, until=8)
    assert queue.client.hkeys("t:accounts") == [""]


def test_redis_own_clock_is_used_when_none_is_given(queue: ClockedQueue) -> None:
    queue.inner.enqueue([asked(str(uuid4()))])
    seconds, _ = queue.client.time()
    (claim,) = queue.inner.claim(limit=1, share=1, lease_ms=1_000)
    assert abs(claim.fence / 1_000_000 - seconds) < 60
