"""A blocking SDK may hang, raise anything, or be asked too much at once: the event loop is never held."""

import asyncio
import threading

import pytest

from reconciliation.adapters.brokers.sdk.sdk_threads import SdkThreads
from reconciliation.errors import BadData, RateLimited, Unavailable


@pytest.fixture
def blocked():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def make_threads():
    made = []

    def make(**changes):
        options = {
            "who": "X",
            "concurrency": 1,
            "timeout_seconds": 0.2,
            "queue_timeout_seconds": 0.2,
            "explain": lambda _: None,
            "hide": lambda text: text.replace("hush-hush", "[secret]"),
        }
        made.append(SdkThreads(**{**options, **changes}))
        return made[-1]

    yield make
    for threads in made:
        threads.close()


async def under_way(threads, blocked):
    """Return a question that a thread has taken up, and that ends with `blocked`."""
    taken_up = asyncio.Event()
    loop = asyncio.get_running_loop()

    def question():
        loop.call_soon_threadsafe(taken_up.set)
        return blocked.wait()

    asked = asyncio.ensure_future(threads.ask("A", question))
    await taken_up.wait()
    return asked


async def test_a_question_that_hangs_is_given_up(make_threads, blocked):
    with pytest.raises(Unavailable, match="no answer within"):
        await make_threads().ask("A", blocked.wait)


async def test_an_error_is_explained_before_the_next_question_changes_what_explains_it(make_threads):
    transport = {}

    def refused():
        transport["status"] = 403
        raise ValueError

    def answered():
        transport["status"] = 200

    threads = make_threads(explain=lambda _: RateLimited(f"status {transport['status']}"), timeout_seconds=30)
    first, _ = await asyncio.gather(threads.ask("A", refused), threads.ask("A", answered), return_exceptions=True)
    assert str(first) == "status 403"


async def test_waiting_for_a_free_thread_ends_too(make_threads, blocked):
    threads = make_threads(timeout_seconds=30)
    first = await under_way(threads, blocked)
    with pytest.raises(Unavailable, match="no free thread"):
        await threads.ask("B", lambda: 1)
    blocked.set()
    assert await first is True


async def test_time_in_the_queue_is_not_time_for_the_answer(make_threads, blocked):
    threads = make_threads(queue_timeout_seconds=30, timeout_seconds=5)
    first = await under_way(threads, blocked)
    second = asyncio.ensure_future(threads.ask("B", lambda: "answer"))
    await asyncio.wait([second], timeout=0.05)
    blocked.set()
    assert await second == "answer"
    await first


async def test_what_the_sdk_raised_is_neither_quoted_nor_chained(make_threads):
    def fail():
        raise OSError("GET /?key=hush-hush")

    with pytest.raises(BadData) as caught:
        await make_threads().ask("A", fail)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert caught.value.account_id == "A"


async def test_an_error_of_the_tree_keeps_its_kind_and_loses_its_secrets(make_threads):
    def fail():
        raise RateLimited("hush-hush asked too often", retry_after_seconds=3)

    with pytest.raises(RateLimited, match=r"\[secret\] asked too often") as caught:
        await make_threads().ask("A", fail)
    assert caught.value.retry_after_seconds == 3


async def test_a_closed_connection_takes_no_question(make_threads):
    threads = make_threads()
    threads.close()
    threads.close()
    with pytest.raises(Unavailable, match="closed"):
        await threads.ask("A", lambda: 1)


async def test_no_more_questions_are_under_way_than_agreed(make_threads):
    threads = make_threads(concurrency=2, queue_timeout_seconds=30, timeout_seconds=30)
    workers = await asyncio.gather(*(threads.ask(str(number), threading.get_ident) for number in range(40)))
    assert 1 <= len(set(workers)) <= 2
