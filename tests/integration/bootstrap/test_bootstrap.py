"""The parts that Settings describe, wired for real: our tables, a paper broker, Redis."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from sqlalchemy.orm import Session

from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.bootstrap import open_parts
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.domain.model.models import Outcome
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import ConfigurationError
from reconciliation.settings import Settings
from tests.support.waiting import wait_for


def settings_for(redis_url: str, database_url: str, **more: object) -> Settings:
    return Settings(_env_file=None, redis_url=redis_url, database_url=database_url, **more)  # type: ignore[call-arg,arg-type]


PAPER = {
    "accounts": {
        "A": {
            "positions": [{"symbol": "AAPL", "quantity": "6", "avg_cost": "10"}],
            "cash": "100",
            "total_equity": "160",
        }
    }
}


def test_accounts_are_reconciled_together_and_each_fails_by_itself(
    redis_url: str, redis_client: redis.Redis, database_url: str
) -> None:
    listener = redis_client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("reconciliation:result")
    wait_for(lambda: redis_client.pubsub_numsub("reconciliation:result")[0][1] == 1)
    listener.get_message()

    requests = [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in ("A", "unknown")]
    with open_parts(settings_for(redis_url, database_url, broker="paper", broker_options=PAPER)) as parts:
        parts.stores.registry.add([RegisteredAccount(account_id="A")])
        with Session(parts.stores.engine) as session, session.begin():
            session.add(Account(account_id="A", cash=Decimal(100), equity=Decimal(160)))
            session.add(Position(account_id="A", symbol="AAPL", asset_type="stock", quantity=Decimal(5)))
        found, failed = parts.run(parts.reconciler.reconcile(requests))

    assert [one.type.value for one in found.discrepancies] == ["quantity_mismatch"]
    assert [str(item) for item in found.not_compared] == ["cost AAPL"]
    assert failed.outcome is Outcome.INCOMPLETE
    heard = []
    wait_for(lambda: heard.append(listener.get_message(timeout=1)) or len([one for one in heard if one]) == 2)
    told = [json.loads(message["data"]) for message in heard if message]
    assert {message["run_id"] for message in told} == {str(found.run_id), str(failed.run_id)}
    listener.close()


def test_a_local_book_that_does_not_exist_is_refused_with_the_choices(tmp_path: Path) -> None:
    settings = settings_for("redis://localhost", f"sqlite:///{tmp_path}/x.db", local="excel")
    with open_parts(settings) as parts, pytest.raises(ConfigurationError, match="sql, csv"):
        _ = parts.stores.local_book


def test_nothing_is_built_before_its_first_use(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with open_parts(settings_for("redis://localhost:1", f"sqlite:///{path}")) as parts:
        _ = parts.stores.registry, parts.coordination.due_queue
    assert not path.exists()


def test_every_redis_client_that_was_opened_is_closed(
    redis_url: str, redis_client: redis.Redis, database_url: str
) -> None:
    before = {client["id"] for client in redis_client.client_list()}
    with open_parts(settings_for(redis_url, database_url)) as parts:
        parts.coordination.space.client.ping()
        parts.run(parts.coordination.async_space.client.ping())
        assert parts.stores.registry.count() == 0

    def left() -> bool:
        return {client["id"] for client in redis_client.client_list()} <= before

    wait_for(left, 10, "the clients are gone")
