"""Plays fills, runs and time through each kind of fill window, and tells which runs were made when.

Times are seconds from the first fill on.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.domain.model.models import OrderFill, ReconciliationConfig, ReconciliationResult, RunError
from reconciliation.errors import Unavailable
from reconciliation.ports.fill_windows import DelayedWakeUp, FillReport, FillWindows, RunClaim
from reconciliation.usecases.debounce import FillDebounce
from tests.unit.usecases.virtual_time import run as in_virtual_time

TIMES = FillTimes(delay_ms=5_000, max_wait_ms=12_000)
END_SECONDS = 1_000.0


@dataclass(frozen=True)
class Made:
    """One run: when it started, how many fills it covers, and the last of them."""

    at: float
    fills: int
    last: str


@dataclass(frozen=True, kw_only=True)
class Play:
    """What happens: fills at these times, each run takes this long, and the first ones are incomplete."""

    fills: Sequence[float]
    run_seconds: float = 0.0
    incomplete: int = 0


def through_debounce(play: Play) -> list[Made]:
    """Play through the window of an asyncio program."""
    made: list[Made] = []
    config = ReconciliationConfig(
        "A", post_fill_delay_seconds=TIMES.delay_ms / 1000, post_fill_max_wait_seconds=TIMES.max_wait_ms / 1000
    )

    async def program() -> None:
        begin = asyncio.get_running_loop().time()

        async def reconcile(context: dict[str, Any]) -> ReconciliationResult:
            at = asyncio.get_running_loop().time() - begin
            made.append(Made(round(at, 3), context["fill_count"], context["fill_id"]))
            fails = len(made) <= play.incomplete
            await asyncio.sleep(play.run_seconds)
            error = RunError.of(Unavailable("no answer"), "broker") if fails else None
            return ReconciliationResult("A", datetime.now(UTC), not fails, [], 0, 1.0, context, error=error)

        debounce = FillDebounce(config, reconcile)
        for number, at in enumerate(play.fills):
            await asyncio.sleep(begin + at - asyncio.get_running_loop().time())
            now = datetime.now(UTC)
            debounce.record(OrderFill(f"F{number}", "O", "AAPL", "buy", Decimal(1), Decimal(1), now))
        await asyncio.sleep(END_SECONDS)

    in_virtual_time(program())
    return made


def through_windows(play: Play, windows: Any) -> list[Made]:
    """Play through windows that other workers share: messages arrive when they are due, none is lost."""
    made: list[Made] = []
    events: list[tuple[float, int, Callable[[float], None]]] = []
    order, begin_ms = count(), windows.now_ms
    port: FillWindows = windows

    def plan(at: float, event: Callable[[float], None]) -> None:
        heapq.heappush(events, (at, next(order), event))

    def send(at: float, wake_up: DelayedWakeUp | None) -> None:
        if wake_up is not None:
            plan(at + wake_up.wait_ms / 1000, lambda now: wake(now, wake_up))

    def fill(at: float, number: int) -> None:
        [recorded] = port.record([FillReport("A", 1, {"fill_id": f"F{number}"}, f"call {number}")])
        send(at, recorded.wake_up)

    def wake(at: float, wake_up: DelayedWakeUp) -> None:
        decision = port.claim(wake_up.account_id, wake_up.token)
        if isinstance(decision, RunClaim):
            made.append(Made(round(at, 3), decision.fill_count, str(decision.last_fill["fill_id"])))
            end = port.incomplete if len(made) <= play.incomplete else port.complete
            plan(at + play.run_seconds, lambda now: send(now, end([decision])[0].wake_up))
        else:
            send(at, decision)

    for number, at in enumerate(play.fills):
        plan(at, lambda now, number=number: fill(now, number))
    while events:
        at, _, event = heapq.heappop(events)
        windows.now_ms = begin_ms + round(at * 1000)
        event(at)
    return made
