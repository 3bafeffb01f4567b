"""The service inside an asyncio program: on demand, at start, periodically."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.domain.model.models import Outcome
from reconciliation.domain.model.snapshots import BrokerAccount
from reconciliation.errors import AuthError, Incomplete
from tests.unit.usecases.service_parts import Parts, fill, now
from tests.unit.usecases.virtual_time import run


async def test_a_run_is_published_with_its_findings_before_its_result() -> None:
    parts = Parts()
    parts.broker.positions = []
    result = await parts.service.reconcile()
    channels = [channel for channel, _ in parts.channel.published]
    assert channels == ["reconciliation:discrepancy", "reconciliation:result"]
    finding, told = (message for _, message in parts.channel.published)
    assert finding["run_id"] == told["run_id"] == str(result.run_id)
    assert (finding["type"], finding["local_value"], finding["broker_value"]) == ("missing_broker", "5", None)
    assert told["discrepancy_count"] == 1
    assert told["context"] == {"trigger": "on_demand"}
    assert not told["is_clean"]


async def test_the_context_is_handed_through_unchanged() -> None:
    context = {"asked_by": "ops", "nested": {"a": 1}}
    assert (await Parts().service.reconcile(context)).context is context


async def test_a_secret_that_a_broker_was_opened_with_is_in_no_result() -> None:
    parts = Parts()
    open_broker("paper", {}, {"token": "planted-token-0042"})
    parts.broker.error = AuthError("the server refused planted-token-0042")
    result = await parts.service.reconcile()
    assert result.error is not None
    assert result.error.message == "the server refused ***"
    assert "planted-token-0042" not in str(parts.channel.published)


@pytest.mark.parametrize(
    ("cause", "kind", "says"),
    [
        ({"error": Incomplete("page 1 of 2 only")}, "incomplete", "page 1 of 2 only"),
        ({"error": RuntimeError("gateway is down")}, "unavailable", "gateway is down"),
        ({"error": ConnectionResetError("reset by peer")}, "unavailable", "reset by peer"),
        (
            {"error": OSError("GET https://me:hunter2@host/v2?api_key=hunter2 failed")},
            "unavailable",
            "https://***@host",
        ),
        ({"positions": None}, "bad_data", "nothing where a list"),
        ({"positions": ["AAPL"]}, "bad_data", "symbol"),
        ({"account": BrokerAccount("B", Decimal(0), None, None, None)}, "bad_data", "got 'B'"),
        ({"account": None}, "bad_data", "with no account"),
        ({"latency_seconds": 3600.0}, "unavailable", "no answer within 30 s"),
    ],
)
def test_a_broker_that_cannot_be_read_reliably_makes_the_run_incomplete(
    cause: dict[str, Any], kind: str, says: str
) -> None:
    async def program() -> None:
        parts = Parts()
        for name, value in cause.items():
            setattr(parts.broker, name, value)
        result = await parts.service.reconcile()
        assert result.outcome is Outcome.INCOMPLETE
        assert result.discrepancies == []
        assert not result.is_clean
        (told,) = parts.channel.results()
        assert told["outcome"] == "incomplete"
        assert told["error"]["kind"] == kind
        assert told["error"]["side"] == "broker"
        assert says in told["error"]["message"]
        assert "hunter2" not in str(parts.channel.published)
        assert len(parts.channel.published) == 1

    run(program())


async def test_a_local_book_that_fails_is_named_as_the_side() -> None:
    parts = Parts()
    parts.book.error = OSError("disk")
    result = await parts.service.reconcile()
    assert result.error is not None
    assert (result.error.side, result.error.kind) == ("local", "unavailable")


async def test_a_result_survives_that_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    parts.channel.error = ConnectionError("redis is away")
    assert (await parts.service.reconcile()).is_clean
    assert "could not be published" in caplog.text


def test_a_startup_run_at_once_then_one_each_interval_on_the_grid() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=10)
        parts.broker.latency_seconds = 3
        begin = now()
        await parts.service.start()
        await asyncio.sleep(25)
        await parts.service.stop()
        assert parts.channel.triggers() == ["startup", "periodic", "periodic"]
        assert [round(at - begin, 3) for at in parts.broker.started_at] == [0, 10, 20]

    run(program())


def test_a_failed_startup_run_and_failed_periodic_runs_do_not_end_the_loop() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=10)
        parts.broker.error = RuntimeError("boom")
        parts.channel.error = ConnectionError("redis is away")
        await parts.service.start()
        await asyncio.sleep(15)
        parts.broker.error = parts.channel.error = None
        await asyncio.sleep(10)
        await parts.service.stop()
        assert [result["outcome"] for result in parts.channel.results()] == ["clean"]

    run(program())


def test_a_slot_missed_by_a_long_run_is_not_run_many_times() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=1, read_timeout_seconds=60)
        parts.broker.latency_seconds = 10.5
        begin = now()
        await parts.service.start()
        await asyncio.sleep(5)
        await parts.service.stop()
        assert [at - begin for at in parts.broker.started_at] == [0, 10.5]
        assert parts.broker.most_at_once == 1

    run(program())


def test_a_changed_interval_is_followed_at_once() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=3600)
        await parts.service.start()
        await asyncio.sleep(1)
        parts.config.interval_seconds = 0.25
        await asyncio.sleep(0.9)
        await parts.service.stop()
        assert parts.channel.triggers() == ["startup"] + ["periodic"] * 3

    run(program())


def test_a_disabled_service_runs_only_on_demand_until_it_is_enabled_again() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=1, post_fill_delay_seconds=1, enabled=False)
        await parts.service.start()
        await parts.service.on_fill(fill(1))
        await asyncio.sleep(5.5)
        assert parts.channel.triggers() == []
        await parts.service.reconcile()
        parts.config.enabled = True
        await asyncio.sleep(1)
        await parts.service.stop()
        assert parts.channel.triggers() == ["on_demand", "periodic"]

    run(program())


def test_stopping_lets_a_run_in_progress_end_and_starts_no_other() -> None:
    async def program() -> None:
        parts = Parts(interval_seconds=10)
        parts.broker.latency_seconds = 5
        await parts.service.start()
        await asyncio.sleep(6)
        await parts.service.stop()
        await asyncio.sleep(60)
        assert parts.channel.triggers() == ["startup", "periodic"]
        assert len(parts.broker.started_at) == 2

    run(program())
