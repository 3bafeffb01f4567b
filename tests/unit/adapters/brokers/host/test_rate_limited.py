"""Waiting for one's turn is not the broker's time, and nobody's question is answered after it was given up."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from reconciliation.adapters.brokers.host.rate_limited import LocalLimiter, PermittedBroker, TimedBroker, UntimedPermits
from reconciliation.adapters.brokers.sdk.sdk_threads import SdkThreads
from reconciliation.adapters.brokers.sdk.time_limits import PausableTimeout, active_timeouts, paused, within
from reconciliation.domain.model.snapshots import BrokerAccount
from reconciliation.errors import CoordinationError, Unavailable
from tests.unit.usecases.virtual_time import run


class SlowGate:
    """A gate that lets requests through after so many seconds."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.taken = 0

    @asynccontextmanager
    async def permit(self):
        await asyncio.sleep(self.seconds)
        self.taken += 1
        yield


class ClosedGate:
    """A gate that opens when it is told to."""

    def __init__(self):
        self.is_open = asyncio.Event()
        self.asked = asyncio.Event()
        self.taken = self.held = 0

    @asynccontextmanager
    async def permit(self):
        self.asked.set()
        await self.is_open.wait()
        self.taken += 1
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1


class MeteredExample:
    """A broker of an asyncio program: each question is three requests of so many seconds."""

    def __init__(self, permits, seconds):
        self.permits, self.seconds = permits, seconds

    async def get_positions(self, _):
        for _request in range(3):
            async with self.permits.permit():
                await asyncio.sleep(self.seconds)
        return []

    async def get_account(self, account_id):
        return BrokerAccount(account_id, None, None, None, None)


def test_waiting_for_permits_is_no_part_of_the_time_limit():
    broker = TimedBroker(MeteredExample(UntimedPermits(SlowGate(100)), seconds=3), timeout_seconds=10)
    assert run(broker.get_positions("A")) == []


def test_the_requests_themselves_are():
    broker = TimedBroker(MeteredExample(UntimedPermits(SlowGate(100)), seconds=4), timeout_seconds=10)
    with pytest.raises(Unavailable, match="no answer within 10 s"):
        run(broker.get_positions("A"))


def test_a_limit_stands_still_until_the_last_of_several_waits_is_over():
    async def program():
        async def wait(seconds):
            with paused(active_timeouts()):
                await asyncio.sleep(seconds)

        async def together(*parts):
            await asyncio.gather(*parts)

        await within(10, together(wait(5), wait(50)))
        with pytest.raises(Unavailable):
            await within(10, together(wait(5), asyncio.sleep(16)))

    run(program())


def test_a_limit_that_is_stopped_before_it_begins_has_all_its_time_afterwards():
    async def program():
        limit = PausableTimeout(10)
        with paused([limit]):
            async with limit:
                await asyncio.sleep(50)
        async with PausableTimeout(10) as second:
            with paused([second]):
                await asyncio.sleep(50)
            await asyncio.sleep(9)

    run(program())


@pytest.mark.parametrize(("declared", "charged"), [(1, 2), (2, 2), (5, 5)])
def test_a_broker_that_takes_no_permits_is_charged_what_it_declares(declared, charged):
    limiter = SlowGate(0)

    async def program():
        broker = PermittedBroker(MeteredExample(LocalLimiter(1), 0), limiter, 10, declared)
        await broker.get_positions("A")
        await broker.get_account("A")

    run(program())
    assert limiter.taken == charged


@pytest.fixture
def make_threads():
    made = []

    def make(permits, **limits):
        seconds = {"timeout_seconds": 30, "queue_timeout_seconds": 30, **limits}
        threads = SdkThreads(who="X", concurrency=1, explain=lambda _: None, hide=str, **seconds)
        threads.take_permits_from(permits)
        made.append(threads)
        return threads

    yield make
    for threads in made:
        threads.close()


def requesting(threads, sent):
    def question():
        with threads.permit():
            sent.append(threading.current_thread().name)
        return "answer"

    return question


async def test_a_thread_s_wait_counts_for_no_question_and_not_for_the_queue(make_threads):
    limiter = SlowGate(1.2)
    threads = make_threads(limiter, timeout_seconds=1, queue_timeout_seconds=1)
    sent = []
    questions = (threads.ask("A", requesting(threads, sent)) for _ in range(2))
    assert await asyncio.gather(*(within(1, question) for question in questions)) == ["answer", "answer"]
    assert (limiter.taken, len(sent)) == (2, 2)


async def test_a_question_that_is_given_up_sends_nothing_any_more(make_threads):
    limiter = ClosedGate()
    threads = make_threads(limiter)
    sent = []
    asked = asyncio.ensure_future(threads.ask("A", requesting(threads, sent)))
    await limiter.asked.wait()
    asked.cancel()
    await asyncio.wait([asked])
    limiter.is_open.set()
    assert await threads.ask("A", requesting(threads, sent)) == "answer"
    assert (limiter.taken, len(sent)) == (1, 1)


async def test_a_permit_is_held_to_the_end_of_a_request_that_no_caller_waits_for(make_threads):
    limiter, done = ClosedGate(), threading.Event()
    limiter.is_open.set()
    threads = make_threads(limiter, timeout_seconds=0.2)

    def hangs():
        with threads.permit():
            done.wait(30)

    with pytest.raises(Unavailable):
        await threads.ask("A", hangs)
    assert limiter.held == 1
    done.set()
    async with asyncio.timeout(30):
        while limiter.held:
            await asyncio.sleep(0.01)


async def test_a_gate_that_cannot_say_stops_the_request_with_its_own_error(make_threads):
    class Broken:
        def permit(self):
            raise CoordinationError("Redis cannot be reached")

    sent = []
    threads = make_threads(Broken())
    with pytest.raises(CoordinationError, match="Redis cannot be reached"):
        await threads.ask("A", requesting(threads, sent))
    assert sent == []


def test_a_thread_that_waits_ends_with_its_event_loop(make_threads):
    ended = threading.Event()

    async def program():
        limiter = ClosedGate()
        threads = make_threads(limiter)

        def question():
            try:
                with threads.permit():
                    pass
            finally:
                ended.set()

        asked = asyncio.ensure_future(threads.ask("A", question))
        await limiter.asked.wait()
        return asked

    asyncio.run(program())
    assert ended.wait(30)
