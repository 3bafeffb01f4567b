"""The mirror of the registry in Redis, against real databases and the real server."""

import json
from collections.abc import Iterator

import pytest
import redis

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.registry import Registry
from reconciliation.adapters.redis.account_mirror import AccountMirror
from reconciliation.adapters.redis.due_queue import DueQueue
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.ports.accounts import AccountFilter
from tests.support.spaces import space_of

NOW_MS = 1_700_000_000_000
RECOVER_MS = 60_000


class Site:
    """A registry, its mirror and its due-queue."""

    def __init__(self, client: redis.Redis, engine, **defaults) -> None:
        self.client = client
        self.registry = Registry(engine)
        self.queue = DueQueue(space_of(client))
        self.mirror = AccountMirror(
            space_of(client),
            self.queue,
            self.registry,
            defaults=ReconciliationConfig("default", **defaults),
            startup_runs_per_second=100,
            recover_ms=RECOVER_MS,
        )

    def record(self, account_id: str) -> dict:
        return json.loads(self.client.hget("t:accounts", account_id) or "{}")

    def claimed(self, at_ms: int) -> set[str]:
        claims = self.queue.claim(limit=1_000, share=1_000, lease_ms=1_000, now_ms=at_ms)
        return {claim.entry for claim in claims}


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[object]:
    engine = build_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def site(redis_client: redis.Redis, engine) -> Site:
    return Site(redis_client, engine)


def accounts(count: int) -> list[RegisteredAccount]:
    return [RegisteredAccount(account_id=f"ACC-{n:04}") for n in range(count)]


def test_added_changed_disabled_and_removed_accounts_are_followed_at_the_next_refresh(site: Site) -> None:
    site.mirror.refresh(now_ms=NOW_MS)
    site.registry.add(accounts(3))
    site.mirror.refresh(now_ms=NOW_MS)
    site.registry.change(AccountFilter(account_ids=["ACC-0000"]), interval_seconds=7.5)
    site.registry.change(AccountFilter(account_ids=["ACC-0001"]), enabled=False)
    site.registry.remove(["ACC-0002"])
    site.mirror.refresh(now_ms=NOW_MS)

    assert site.record("ACC-0000")["interval_ms"] == 7_500
    assert site.record("ACC-0001")["enabled"] is False
    assert site.record("ACC-0002") == {}
    assert site.claimed(NOW_MS + 600_000) == {"a:ACC-0000"}


def test_accounts_without_their_own_values_follow_the_settings(redis_client: redis.Redis, engine) -> None:
    site = Site(redis_client, engine, interval_seconds=60, post_fill_delay_seconds=3)
    site.registry.add([RegisteredAccount(account_id="A", post_fill_max_wait_seconds=9.0)])
    site.mirror.refresh(now_ms=NOW_MS)

    record = site.record("A")
    assert (record["interval_ms"], record["delay_ms"], record["max_wait_ms"]) == (60_000, 3_000, 9_000)


def test_an_accounts_own_back_off_and_lease_reach_its_fill_window(redis_client: redis.Redis, engine) -> None:
    site = Site(redis_client, engine)
    site.registry.add(
        [
            RegisteredAccount(account_id="A", post_fill_backoff_seconds=0.5, run_lease_seconds=600),
            RegisteredAccount(account_id="B"),
        ]
    )
    site.mirror.refresh(now_ms=NOW_MS)

    assert (site.record("A")["backoff_ms"], site.record("A")["lease_ms"]) == (500, 600_000)
    assert not {"backoff_ms", "max_backoff_ms", "lease_ms"} & site.record("B").keys()


def test_settings_that_changed_reach_the_accounts_that_follow_them(redis_client: redis.Redis, engine) -> None:
    before = Site(redis_client, engine)
    before.registry.add(accounts(1))
    before.mirror.refresh(now_ms=NOW_MS)
    redis_client.delete("t:due:checked:defaults")  # half a minute later

    Site(redis_client, engine, interval_seconds=60).mirror.refresh(now_ms=NOW_MS)

    assert before.record("ACC-0000")["interval_ms"] == 60_000


@pytest.mark.parametrize("count", [3, 1_200])
def test_a_redis_that_lost_its_data_is_filled_again_without_startup_runs(site: Site, count: int) -> None:
    site.registry.add(accounts(count))
    site.mirror.refresh(now_ms=NOW_MS)
    assert site.mirror.is_complete()
    site.client.flushall()
    assert not site.mirror.is_complete()

    site.mirror.refresh(now_ms=NOW_MS)

    assert site.mirror.is_complete()
    assert site.client.hlen("t:accounts") == count + 1
    assert site.client.zcard("t:due:slots:default") == count
    (run,) = site.queue.start(
        [
            (claim.entry, claim.fence)
            for claim in site.queue.claim(limit=1, share=1, lease_ms=9, now_ms=NOW_MS + 300_000)
        ],
        lease_ms=9,
        now_ms=NOW_MS + 300_000,
    )
    assert run.request.context["trigger"] == "periodic"


def test_new_accounts_start_within_a_bound_each_second(site: Site) -> None:
    site.registry.add(accounts(250))
    site.mirror.refresh(now_ms=NOW_MS)

    assert len(site.claimed(NOW_MS)) == 1
    assert len(site.claimed(NOW_MS + 999)) == 99
    assert len(site.claimed(NOW_MS + 1_999)) == 100 + 100  # the first hundred let their lease lapse


def test_a_large_change_is_applied_in_parts_and_whole(site: Site) -> None:
    site.mirror.refresh(now_ms=NOW_MS)
    site.registry.add(accounts(1_700))
    assert site.mirror.refresh(now_ms=NOW_MS)
    assert site.client.hlen("t:accounts") == 1_701
    site.registry.remove([f"ACC-{n:04}" for n in range(1_000)])
    assert site.mirror.refresh(now_ms=NOW_MS)
    assert site.client.hlen("t:accounts") == 701


def test_the_first_process_that_fills_the_mirror_keeps_the_others_out(site: Site) -> None:
    site.registry.add(accounts(3))
    site.client.set("t:due:rebuild", "somebody else")
    assert not site.mirror.refresh(now_ms=NOW_MS)
    assert not site.mirror.is_complete()


def test_a_record_that_is_missing_is_found_by_counting(site: Site) -> None:
    site.registry.add(accounts(3))
    site.mirror.refresh(now_ms=NOW_MS)
    site.client.hdel("t:accounts", "ACC-0001")
    site.mirror.refresh(now_ms=NOW_MS)
    assert site.record("ACC-0001") != {}


def test_a_database_restored_from_a_backup_is_followed_too(site: Site) -> None:
    site.registry.add(accounts(2))
    site.mirror.refresh(now_ms=NOW_MS)
    site.client.hset("t:accounts", "", '{"revision": 99}')
    site.client.hset("t:accounts", "GONE", '{"enabled": false, "connection": "default"}')

    site.mirror.refresh(now_ms=NOW_MS)

    assert set(site.client.hkeys("t:accounts")) == {"", "ACC-0000", "ACC-0001"}


def test_a_refresh_without_a_change_reads_only_the_revision(site: Site) -> None:
    site.registry.add(accounts(2))
    site.mirror.refresh(now_ms=NOW_MS)
    site.mirror.refresh(now_ms=NOW_MS)
    before = site.client.info("commandstats")
    site.mirror.refresh(now_ms=NOW_MS)
    after = site.client.info("commandstats")

    assert after["cmdstat_hget"]["calls"] - before["cmdstat_hget"]["calls"] == 1
    assert after.get("cmdstat_evalsha") == before.get("cmdstat_evalsha")
