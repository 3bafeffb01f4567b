"""Fills inside an asyncio program: bursts cost one run, none is lost, none waits for ever."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation import ReconciliationConfig
from reconciliation.errors import InvalidInputError
from tests.unit.usecases.service_parts import Parts, fill, now
from tests.unit.usecases.virtual_time import run


def test_a_burst_costs_one_run_that_names_its_last_fill() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=5)
        for number in range(1000):
            await parts.service.on_fill(fill(number))
        await asyncio.sleep(6)
        (result,) = parts.channel.results()
        assert result["context"] == {
            "trigger": "post_fill",
            "order_id": "O999",
            "fill_id": "F999",
            "symbol": "AAPL",
            "fill_count": 1000,
        }

    run(program())


def test_a_steady_stream_is_run_at_least_every_ceiling() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=5, post_fill_max_wait_seconds=20)
        begin = now()
        for number in range(40):
            await parts.service.on_fill(fill(number))
            await asyncio.sleep(2.5)
        assert [at - begin for at in parts.broker.started_at] == [20.0, 40.0, 60.0, 80.0, 100.0][
            : len(parts.broker.started_at)
        ]
        assert len(parts.broker.started_at) >= 4

    run(program())


def test_a_fill_during_the_run_opens_a_new_window_and_does_not_cancel_the_run() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=1)
        parts.broker.latency_seconds = 10
        begin = now()
        await parts.service.on_fill(fill(1))
        await asyncio.sleep(5)
        await parts.service.on_fill(fill(2))
        await asyncio.sleep(30)
        assert [result["context"]["fill_id"] for result in parts.channel.results()] == ["F1", "F2"]
        assert [at - begin for at in parts.broker.started_at] == [1, 11]

    run(program())


def test_an_incomplete_run_settles_nothing_and_backs_off() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=1)
        parts.broker.error = RuntimeError("down")
        begin = now()
        await parts.service.on_fill(fill(1))
        await asyncio.sleep(7)
        await parts.service.on_fill(fill(2))
        parts.broker.error = None
        await asyncio.sleep(30)
        assert [at - begin for at in parts.broker.started_at] == [1, 6, 16]
        last = parts.channel.results()[-1]
        assert (last["outcome"], last["context"]["fill_id"], last["context"]["fill_count"]) == ("clean", "F2", 2)

    run(program())


def test_stopping_drops_the_window_that_waits() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=5)
        await parts.service.on_fill(fill(1))
        await parts.service.stop()
        await parts.service.on_fill(fill(2))
        await asyncio.sleep(60)
        assert parts.broker.started_at == []

    run(program())


def test_stopping_during_a_failing_post_fill_run_ends() -> None:
    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=1)
        parts.broker.error, parts.broker.latency_seconds = RuntimeError("down"), 5
        await parts.service.on_fill(fill(1))
        await asyncio.sleep(3)
        await parts.service.stop()
        await asyncio.sleep(60)
        assert len(parts.broker.started_at) == 1

    run(program())


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=30),
    st.floats(0, 5),
    st.floats(0, 10),
    st.integers(0, 3),
)
def test_no_fill_is_lost_and_runs_never_overlap(
    pauses: list[float], delay_seconds: float, latency_seconds: float, failures: int
) -> None:
    """Whatever the pattern of fills and failures, a completed run begins after every fill, in bounded time."""

    async def program() -> None:
        parts = Parts(post_fill_delay_seconds=delay_seconds, post_fill_max_wait_seconds=20)
        parts.broker.latency_seconds = latency_seconds
        last_fill_at = 0.0
        for number, pause_seconds in enumerate(pauses):
            await asyncio.sleep(pause_seconds)
            parts.broker.error = RuntimeError("down") if number < failures else None
            await parts.service.on_fill(fill(number))
            last_fill_at = now()
        parts.broker.error = None
        await asyncio.sleep(200)
        assert parts.broker.most_at_once == 1
        assert parts.broker.started_at[-1] >= last_fill_at
        last = parts.channel.results()[-1]
        assert last["outcome"] == "clean"
        assert last["context"]["fill_id"] == f"F{len(pauses) - 1}"

    run(program())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interval_seconds", 0),
        ("interval_seconds", float("nan")),
        ("post_fill_delay_seconds", -1),
        ("post_fill_max_wait_seconds", 4.9),
        ("cash_tolerance", "-1"),
        ("equity_tolerance_pct", "NaN"),
    ],
)
def test_a_config_value_that_cannot_work_is_refused_and_the_old_one_stays(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=field):
        ReconciliationConfig("A", **{field: value})  # type: ignore[arg-type]
    config = ReconciliationConfig("A")
    before = getattr(config, field)
    with pytest.raises(InvalidInputError, match=field):
        setattr(config, field, value)
    assert getattr(config, field) == before
