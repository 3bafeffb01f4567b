"""A real worker before a Gateway that restarts: runs are incomplete meanwhile, and right again afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciliation.adapters.celery.task_sender import TaskSender
from reconciliation.settings import Settings
from tests.brokers.fake_tws import Books, FakeTws, Row, TwsFault
from tests.builders.accounts import register
from tests.support.processes import Processes
from tests.support.waiting import wait_for

pytest.importorskip("ib_async", reason="needs the extra ibkr")


@pytest.fixture
def tws() -> Iterator[FakeTws]:
    books = Books()
    books.set("U1", [Row(con_id=265598, symbol="AAPL", quantity="10", avg_cost="150.25")], cash="1000.00")
    with FakeTws(books) as server:
        yield server


@pytest.fixture
def settings(redis_url: str, sqlite_url: str, tws: FakeTws, tmp_path: Path) -> dict[str, object]:
    positions, balances = tmp_path / "positions.csv", tmp_path / "balances.csv"
    positions.write_text("account_id,symbol,asset_type,quantity,avg_cost\nU1,AAPL,stock,10,150.25\n")
    register(sqlite_url, "U1")
    balances.write_text("account_id,cash,equity\nU1,1000.00,25000.50\n")
    broker = {"port": tws.port, "client_ids": "51-54", "connect_timeout_seconds": 5, "answer_timeout_seconds": 2}
    return {
        "redis_url": redis_url,
        "database_url": sqlite_url,
        "broker": "ibkr",
        "broker_options": json.dumps(broker),
        "local": "csv",
        "local_options": json.dumps({"positions": str(positions), "balances": str(balances)}),
    }


class BrokerReads:
    """Asks the worker for runs of U1."""

    def __init__(self, sender: TaskSender) -> None:
        self._sender = sender

    def outcomes(self, count: int) -> list[str]:
        """Return how so many runs ended that were asked for at once."""
        name, kwargs = "reconciliation.reconcile_account", {"account_id": "U1"}
        task_ids = [self._sender.send(name, kwargs, queue="reconciliation") for _ in range(count)]
        return [self._sender.result_of(task_id).get(timeout=60)["outcome"] for task_id in task_ids]

    def outcome(self) -> str:
        return self.outcomes(1)[0]


@pytest.fixture
def asker(settings: dict[str, object]) -> Iterator[BrokerReads]:
    sender = TaskSender(Settings(redis_url=settings["redis_url"]))
    yield BrokerReads(sender)
    sender.close()


def test_a_restart_of_the_gateway_under_a_running_worker_is_survived(
    tws: FakeTws, settings: dict[str, object], processes: Processes, asker: BrokerReads
):
    worker = processes.worker(settings, concurrency=2)
    # Both children work, each under a client id of its own.
    wait_for(lambda: set(asker.outcomes(10)) == {"clean"} and len(tws.active_ids) == 2)
    assert tws.active_ids <= set(range(51, 55))
    tws.stop()
    assert set(asker.outcomes(2)) == {"incomplete"}
    tws.start()
    wait_for(lambda: asker.outcome() == "clean")
    tws.faults = {TwsFault.NO_POSITION_END}
    assert asker.outcome() == "incomplete"
    tws.faults = set()
    wait_for(lambda: asker.outcome() == "clean")
    assert worker.terminate() == 0
    wait_for(lambda: not tws.active_ids)
