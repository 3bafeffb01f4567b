"""The gate's Lua against a broker's own count, in simulated time: what is granted, when it arrives, when it ends."""

import heapq
import json
from dataclasses import dataclass, field
from itertools import count

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciliation.adapters.redis.rate_limiter import MAX_LINE_LENGTH, SENT_MS
from reconciliation.adapters.redis.script import packaged
from tests.support.spaces import space_of

CONNECTION = "c"
START_MS = 1_700_000_000_000
LEASE_MS = 60_000


@dataclass
class Login:
    """Processes that share one login, and what its broker saw."""

    client: redis.Redis
    permits: int
    concurrency: int
    #: For each request in order: ms until it reaches the broker, ms from there to its end.
    journeys: list[tuple[int, int]]
    processes: int = 2
    arrivals: list[int] = field(default_factory=list)
    most_at_once: int = 0

    def serve(self) -> None:
        """Let every process ask for its share, and go on until all requests have ended."""
        self.client.flushdb()
        self._script = space_of(self.client).script(packaged("rate_limiter"))
        self._order = count()
        self._heap: list[tuple[int, int, str, str]] = []
        self._open = {f"p{number}": self._wishes(number) for number in range(self.processes)}
        self._under_way: dict[str, None] = {}
        self._asks_at: dict[str, int] = {}
        for process in self._open:
            self._plan_to_ask(START_MS, process)
        while self._heap:
            now, _, what, name = heapq.heappop(self._heap)
            if what == "arrive":
                self.arrivals.append(now)
            elif what == "end":
                del self._under_way[name]
                self._exchange(now, name.split(":")[0], released=[name])
            elif self._open[name] and self._asks_at[name] == now:
                self._exchange(now, name, released=[])

    def _wishes(self, number: int) -> dict[str, tuple[int, int]]:
        mine = self.journeys[number :: self.processes]
        return {f"p{number}:{place}": journey for place, journey in enumerate(mine)}

    def _plan(self, at: int, what: str, name: str) -> None:
        heapq.heappush(self._heap, (at, next(self._order), what, name))

    def _plan_to_ask(self, at: int, process: str) -> None:
        self._asks_at[process] = at
        self._plan(at, "ask", process)

    def _exchange(self, now: int, process: str, released: list[str]) -> None:
        wanted = list(self._open[process])[:MAX_LINE_LENGTH]
        limits = [self.permits, 1000, self.concurrency, LEASE_MS, SENT_MS]
        arguments = [now, CONNECTION, process, *limits, json.dumps(released), json.dumps(wanted)]
        wait_ms, granted = (*json.loads(self._script.call(*arguments)), [])[:2]
        for request_id in granted:
            to_broker, to_end = self._open[process].pop(request_id)
            self._under_way[request_id] = None
            self.most_at_once = max(self.most_at_once, len(self._under_way))
            self._plan(now + to_broker, "arrive", request_id)
            self._plan(now + to_broker + to_end, "end", request_id)
        if self._open[process]:
            self._plan_to_ask(now + wait_ms, process)
        for other in self._open:
            if self.client.delete(f"t:limit:{CONNECTION}:wake:{other}"):
                self._plan_to_ask(now, other)

    @property
    def most_in_a_second(self) -> int:
        return max(sum(first <= other <= first + 1000 for other in self.arrivals) for first in self.arrivals)


journeys = st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 200)), min_size=5, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(journeys, st.integers(1, 6), st.integers(1, 12))
def test_neither_limit_is_passed_at_the_broker_however_long_requests_are_on_the_way(
    redis_client: redis.Redis, journeys: list[tuple[int, int]], permits: int, concurrency: int
) -> None:
    login = Login(redis_client, permits, concurrency, journeys)
    login.serve()

    assert len(login.arrivals) == len(journeys), "everybody was served"
    assert login.most_in_a_second <= permits
    assert login.most_at_once <= concurrency


def test_nine_tenths_of_the_rate_are_used_with_answers_of_40_ms(redis_client: redis.Redis) -> None:
    login = Login(redis_client, 50, 10, [(1, 39)] * 400)
    login.serve()

    after_the_first_burst = len(login.arrivals) - 50
    assert 1000 * after_the_first_burst / (login.arrivals[-1] - login.arrivals[0]) >= 0.9 * 50


def test_a_killed_workers_permits_stop_to_count_once_its_requests_must_have_arrived(redis_client: redis.Redis) -> None:
    script = space_of(redis_client).script(packaged("rate_limiter"))

    def granted(now: int, process: str, wanted: list[str]) -> list[str]:
        arguments = [now, CONNECTION, process, 4, 1000, 100, LEASE_MS, SENT_MS, "[]", json.dumps(wanted)]
        return (*json.loads(script.call(*arguments)), [])[1]

    assert len(granted(START_MS, "killed", [f"killed:{number}" for number in range(4)])) == 4
    over = START_MS + SENT_MS + 1001
    assert granted(over - 1, "alive", ["alive:1"]) == []
    assert granted(over, "alive", ["alive:1"]) == ["alive:1"], "long before the lease of the killed one is over"
