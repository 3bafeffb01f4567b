"""Reading many accounts over their connections: concurrently under each login's limits, each failing by itself."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from reconciliation.adapters.brokers.host.rate_limited import PermittedBroker, RateLimiter, TimedBroker
from reconciliation.adapters.brokers.sdk.time_limits import within
from reconciliation.domain.model.runs import RunStart, utc_now
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import (
    AuthError,
    BadData,
    ConfigurationError,
    CoordinationError,
    RateLimited,
    ReadError,
    Unavailable,
)
from reconciliation.ports.accounts import AccountPlan
from reconciliation.ports.broker import BrokerQuery, MeteredBroker, SnapshotBroker
from reconciliation.ports.broker_reads import BrokerAnswer, TimeBudget
from reconciliation.usecases.read_sides import entry_of, read_broker, read_or_error, redacted, unexpected_error

#: An answer of these kinds says something of the login, not of the account.
CONNECTION_ERRORS = (AuthError, RateLimited, Unavailable)

Put = Callable[[BrokerAnswer], None]


@dataclass(frozen=True, kw_only=True)
class OpenConnection:
    """An open broker, and the limits of its login."""

    broker: BrokerQuery
    limiter: RateLimiter
    #: How many accounts one process asks about at once; the limiter bounds the requests of all processes.
    accounts_at_once: int
    #: What an account is charged where the broker takes no permits itself.
    requests_per_account: int = 2

    def limited(self, timeout_seconds: float) -> BrokerQuery:
        """Return the broker with a time limit for each answer, and each request within a permit."""
        if isinstance(self.broker, MeteredBroker):
            return TimedBroker(self.broker, timeout_seconds)
        return PermittedBroker(self.broker, self.limiter, timeout_seconds, self.requests_per_account)


class Connections(Protocol):
    """Where an open broker of a connection comes from; opened once a process."""

    def use(self, connection: str) -> AbstractAsyncContextManager[OpenConnection]:
        """Give the connection's broker, opened at first use; it is not closed while it is in use.

        Raises:
            ConfigurationError: the connection is unknown or cannot work as it is configured.
        """
        ...


class CircuitBreaker(Protocol):
    """Which connections are left alone for a while, because they failed again and again. Blocking."""

    #: After this number of failures without a success between them, the login is not read any more.
    failures_before_pause: int

    def check(self, connection: str) -> ReadError | None:
        """Return why the connection is not to be asked now, or None."""
        ...

    def report(self, connection: str, failures: Sequence[ReadError], *, succeeded: bool) -> None:
        """Tell how a sweep's requests ended."""
        ...


class ConnectionReader:
    """Reads accounts through the brokers of their connections; answers by our account ids."""

    def __init__(
        self,
        connections: Connections,
        pauses: CircuitBreaker | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._connections = connections
        self._breaker = pauses
        self._now = now

    async def read(self, plans: Sequence[AccountPlan], budget: TimeBudget) -> AsyncIterator[BrokerAnswer]:
        """Yield each answer as it comes. Never raises for a broker's failure."""
        by_connection: dict[str, list[AccountPlan]] = defaultdict(list)
        for plan in plans:
            by_connection[plan.connection].append(plan)
        answers: asyncio.Queue[BrokerAnswer | None] = asyncio.Queue()
        parts = [
            self._read_connection(name, group, budget, answers.put_nowait) for name, group in by_connection.items()
        ]
        reading = asyncio.gather(*parts)
        reading.add_done_callback(lambda _: answers.put_nowait(None))
        try:
            while (answer := await answers.get()) is not None:
                yield answer
            await reading
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read_connection(
        self, connection: str, plans: Sequence[AccountPlan], budget: TimeBudget, put: Put
    ) -> None:
        paused = await self._check(connection)
        if paused is not None:
            _answer_all(plans, paused, self._start(), put)
            return
        health = _Health(self._breaker.failures_before_pause if self._breaker else len(plans), self._start)
        try:
            async with self._connections.use(connection) as opened:
                if isinstance(opened.broker, SnapshotBroker):
                    await _read_together(opened, opened.broker, plans, put, health)
                else:
                    await _read_each(opened, plans, budget, put, health)
        except ConfigurationError as error:
            failure = BadData(f"connection {connection!r} cannot be used: {error}")
            left = [plan for plan in plans if plan.config.account_id not in health.answered]
            _answer_all(left, failure, self._start(), put)
        await self._report(connection, health)

    def _start(self) -> RunStart:
        return RunStart.now(self._now)

    async def _check(self, connection: str) -> ReadError | None:
        if self._breaker is None:
            return None
        try:
            return await asyncio.to_thread(self._breaker.check, connection)
        except CoordinationError:
            return None  # without Redis no pause is known; the limiter fails by itself

    async def _report(self, connection: str, health: "_Health") -> None:
        if self._breaker is None or not (health.failures or health.succeeded):
            return
        with suppress(CoordinationError):
            await asyncio.to_thread(self._breaker.report, connection, health.failures, succeeded=health.succeeded)


class _Health:
    """How the requests of one sweep to one login begin and end."""

    def __init__(self, bound: int, start: Callable[[], RunStart]) -> None:
        self._bound = bound
        self.start = start
        #: Failures since the last success.
        self.failures: list[ReadError] = []
        self.succeeded = False
        self.answered: set[str] = set()

    def note(self, account_id: str, answer: BrokerSnapshot | ReadError) -> None:
        self.answered.add(account_id)
        if isinstance(answer, CONNECTION_ERRORS):
            self.failures.append(answer)
        else:
            self.failures.clear()
            self.succeeded = True

    @property
    def given_up(self) -> ReadError | None:
        """Why the rest of the sweep is not asked about, or None."""
        return self.failures[-1] if len(self.failures) >= self._bound else None


async def _read_together(
    opened: OpenConnection,
    broker: SnapshotBroker,
    plans: Sequence[AccountPlan],
    put: Put,
    health: _Health,
) -> None:
    asked = [plan.broker_account_id for plan in plans]
    timeout_seconds = max(plan.config.read_timeout_seconds for plan in plans)
    start = health.start()

    async def read() -> Mapping[str, BrokerSnapshot | ReadError]:
        async with opened.limiter.permit():
            return await within(timeout_seconds, broker.get_snapshots(asked))

    answer = await read_or_error(read(), "broker", asked[0], 2 * timeout_seconds)
    for plan in plans:
        found = answer if isinstance(answer, ReadError) else entry_of(answer, "broker", plan.broker_account_id)
        health.note(plan.config.account_id, found)
        put(BrokerAnswer(plan=plan, snapshot=_as_ours(found, plan), start=start))


async def _read_each(
    opened: OpenConnection,
    plans: Sequence[AccountPlan],
    budget: TimeBudget,
    put: Put,
    health: _Health,
) -> None:
    left = deque(plans)

    async def ask_about_some() -> None:
        while left and not budget.is_over():
            plan = left.popleft()
            start = health.start()
            answer: BrokerSnapshot | ReadError
            if health.given_up is not None:
                answer = Unavailable(f"the connection fails, so it was not asked: {health.given_up}")
            else:
                timeout_seconds = plan.config.read_timeout_seconds
                # No limit around both: each answer has its own, and the wait for permits does not count.
                answer = await read_broker(opened.limited(timeout_seconds), plan.broker_account_id, None)
                health.note(plan.config.account_id, answer)
            put(BrokerAnswer(plan=plan, snapshot=_as_ours(answer, plan), start=start))

    await asyncio.gather(*(ask_about_some() for _ in range(min(opened.accounts_at_once, len(plans)))))


def _answer_all(plans: Sequence[AccountPlan], error: ReadError, start: RunStart, put: Put) -> None:
    redacted(error)
    for plan in plans:
        put(BrokerAnswer(plan=plan, snapshot=error, start=start))


def _as_ours(answer: BrokerSnapshot | ReadError, plan: AccountPlan) -> BrokerSnapshot | ReadError:
    """Return the answer under our account id, after a check that it is of the requested account."""
    if isinstance(answer, ReadError):
        return redacted(answer)
    try:
        got = answer.account.account_id
    except AttributeError as error:
        return unexpected_error("the broker's answer is no snapshot", error, plan.config.account_id)
    if got != plan.broker_account_id:
        return redacted(BadData(f"asked for account {plan.broker_account_id!r}, got {got!r}"))
    if got == plan.config.account_id:
        return answer
    return replace(answer, account=replace(answer.account, account_id=plan.config.account_id))
