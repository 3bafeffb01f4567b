"""Reading both sides of one account, so that every way to fail ends in a `ReadError` and never in "flat"."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import BadData, Incomplete, InvalidInputError, ReadError, Unavailable
from reconciliation.ports.broker import BrokerQuery, SnapshotBroker
from reconciliation.ports.local_book import LocalBook, PositionProvider
from reconciliation.support.redaction import redact_known_secrets, redact_secrets

#: A message is for people; a whole error page of a server is not.
MAX_MESSAGE_CHARACTERS = 300

Answer = TypeVar("Answer")
Row = TypeVar("Row")


async def read_broker(
    broker: BrokerQuery, account_id: str, timeout_seconds: float | None
) -> BrokerSnapshot | ReadError:
    """Read one account at the broker within `timeout_seconds`; an error is returned, not raised.

    No secret that this process knows is in the error, whatever the broker has quoted.
    """
    answer: BrokerSnapshot | ReadError
    if isinstance(broker, SnapshotBroker):
        read = await read_or_error(broker.get_snapshots([account_id]), "broker", account_id, timeout_seconds)
        answer = read if isinstance(read, ReadError) else entry_of(read, "broker", account_id)
    else:
        answer = await read_or_error(_query(broker, account_id), "broker", account_id, timeout_seconds)
    return redacted(answer) if isinstance(answer, ReadError) else answer


def redacted(error: ReadError) -> ReadError:
    """Take known secrets out of the message of a broker's error: an adapter of a third party may quote its key."""
    error.args = (redact_known_secrets(str(error)),)
    return error


async def read_local(provider: PositionProvider, account_id: str, timeout_seconds: float) -> LocalSnapshot | ReadError:
    """Read one account of the local book within `timeout_seconds`; an error is returned, not raised."""
    if isinstance(provider, LocalBook):
        answer = await read_or_error(provider.get_snapshots([account_id]), "local book", account_id, timeout_seconds)
        return answer if isinstance(answer, ReadError) else entry_of(answer, "local book", account_id)
    return await read_or_error(_provide(provider, account_id), "local book", account_id, timeout_seconds)


async def read_or_error(
    read: Awaitable[Answer], side: str, account_id: str, timeout_seconds: float | None
) -> Answer | ReadError:
    """Await `read`; turn a time-out and every exception of an adapter into the `ReadError` that says so.

    None is no time limit: for a read that has its own.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await read
    except ReadError as error:
        return error
    except TimeoutError:
        waited = "in time" if timeout_seconds is None else f"within {timeout_seconds:g} s"
        return Unavailable(f"the {side} gave no answer {waited}", account_id=account_id)
    except InvalidInputError as error:
        return BadData(f"the {side} answered with what cannot be read: {error}", account_id=account_id)
    except Exception as error:  # noqa: BLE001  an adapter may raise anything; the run must still end in a result
        text = redact_secrets(str(error)).partition("\n")[0][:MAX_MESSAGE_CHARACTERS]
        return Unavailable(f"the {side} failed: {type(error).__name__}: {text}".rstrip(": "), account_id=account_id)


def unexpected_error(what: str, error: Exception, account_id: str) -> BadData:
    """Return the error of an account whose data made our code raise: one line that every store accepts."""
    text = redact_known_secrets(redact_secrets(str(error))).partition("\n")[0][:MAX_MESSAGE_CHARACTERS]
    said = f"{what}: {type(error).__name__}: {text}".rstrip(": ").replace("\0", "\\0")
    return BadData(said.encode(errors="backslashreplace").decode(), account_id=account_id)


def entry_of(answers: Any, side: str, account_id: str) -> Any:
    """Return the account's entry of an answer for many. No entry is an error: it does not mean "flat"."""
    if account_id not in answers:
        return Incomplete(f"the {side} gave no answer for account {account_id!r}", account_id=account_id)
    return answers[account_id]


async def _query(broker: BrokerQuery, account_id: str) -> BrokerSnapshot:
    reads = (
        asyncio.ensure_future(_rows(broker.get_positions, account_id, "broker")),
        asyncio.ensure_future(broker.get_account(account_id)),
    )
    try:
        positions, account = await asyncio.gather(*reads)
    finally:
        # gather leaves the other one running when one fails
        for read in reads:
            read.cancel()
    if account is None:
        raise BadData("the broker answered with no account", account_id=account_id)
    return BrokerSnapshot(account=account, positions=positions, as_of=account.as_of)


async def _provide(provider: PositionProvider, account_id: str) -> LocalSnapshot:
    return LocalSnapshot(
        account_id=account_id,
        positions=await _rows(provider.get_positions, account_id, "local book"),
        cash=await _answer(provider.get_cash, account_id),
        equity=await _answer(provider.get_equity, account_id),
    )


async def _answer(method: Callable[[str], Answer | Awaitable[Answer]], account_id: str) -> Answer:
    """Call an async method here, and a plain one in a thread: it must not stop the event loop."""
    if inspect.iscoroutinefunction(method):
        answer: Answer = await method(account_id)
        return answer
    returned = await asyncio.to_thread(method, account_id)
    return await returned if inspect.isawaitable(returned) else returned


async def _rows(
    read: Callable[[str], Sequence[Row] | Awaitable[Sequence[Row]]], account_id: str, side: str
) -> Sequence[Row]:
    rows = await _answer(read, account_id)
    if rows is None:
        raise BadData(f"the {side} answered with nothing where a list of positions was expected", account_id=account_id)
    return list(rows)
