"""Fill windows in Redis: one atomic script decides when an account is run after its fills, and by whom.

Keys, below the prefix: `accounts` (only read), `fills:index`, `fills:counters`, `fills:window:ACCOUNT` from an
account's first fill until a run has covered its last one, and for a quarter of an hour `fills:last:ACCOUNT` and
`fills:memory`: which symbols were filled when. Keys are made from account ids inside the script, so all of this lives
on one Redis server, not on a cluster.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import chain
from json.encoder import encode_basestring_ascii as _quoted
from random import SystemRandom
from typing import Any, NamedTuple
from uuid import uuid4

from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.domain.model.runs import Fence
from reconciliation.ports.fill_windows import (
    DelayedWakeUp,
    FillOutcome,
    FillReport,
    Finish,
    FinishOutcome,
    RecordedFill,
    RunClaim,
)

#: Some milliseconds in which Redis serves no other client.
REPORTS_PER_CALL = 100

#: Bounds the memory of the server's reply buffer.
REPORTS_PER_ROUND_TRIP = 100_000

#: A window that is due for this long was not woken: its message is late, or the clock of a worker that holds it.
OVERDUE_MS = 2_000

#: Lua passes no more than about 8,000 arguments to a function.
ACCOUNTS_PER_CALL = 1_000


class WindowFacts(NamedTuple):
    """What one open window holds; times in ms by Redis' clock."""

    phase: str
    fills_pending: int
    first_fill_at_ms: int
    #: When a run is due; 0 while one is made and no later fill came.
    due_at_ms: int
    lease_until_ms: int


class FillWindows:
    """The windows of all accounts. Safe to share between threads; each call is one round trip."""

    def __init__(
        self,
        space: RedisSpace,
        *,
        times: FillTimes,
        sweep_size: int = 200,
        back_off_spread: float = 0.1,
        now_ms: int | None = None,
        source: str | None = None,
    ) -> None:
        """Keep the windows in `space`.

        Args:
            space: Where the keys are.
            times: For accounts without their own.
            sweep_size: How many due windows one message brings to be run, at most.
            back_off_spread: Part of a back-off that is left to chance, so that accounts that failed together do not
                all come back together.
            now_ms: A test's clock; None means the server's own, the only one that all agree on.
            source: Another script in place of the packaged one; tests take rules out of it.
        """
        own = source if source is not None else packaged("fill_window")
        # Constants stand in the script, not among its arguments: it is sent by its digest, and each argument costs.
        defaults = ", ".join(f"{field.name} = {getattr(times, field.name)}" for field in fields(times))
        self._script = space.script(f"local function default_times() return {{ {defaults} }} end\n{own}")
        self._space = space
        # On the connection of the writes, or it would not wait for them.
        self._wait = ("WAIT", space.replicas, space.replica_timeout_ms) if space.replicas else None
        self._sweep_size = sweep_size
        self._back_off_spread = back_off_spread
        self._random = SystemRandom()
        self.now_ms = now_ms

    def record(self, reports: Sequence[FillReport]) -> list[RecordedFill]:
        """Record fills, in one round trip per 100,000; return an answer for each report, in order."""
        if len(reports) <= REPORTS_PER_ROUND_TRIP:
            return self._record(reports)
        recorded: list[RecordedFill] = []
        for first in range(0, len(reports), REPORTS_PER_ROUND_TRIP):
            recorded += self._record(reports[first : first + REPORTS_PER_ROUND_TRIP])
        return recorded

    def _record(self, reports: Sequence[FillReport]) -> list[RecordedFill]:
        tokens: list[str] = []
        hashed = token = ""
        for _, _, _, call_id, _ in reports:
            if call_id != hashed:  # one call's reports share it
                hashed, token = call_id, _token(call_id)
            tokens.append(token)
        replies = self._script.call_many(lambda: self._record_calls(reports, tokens), then=self._wait)
        if self._wait is not None:
            self._space.require_replicas(replies.pop())
        return _answers(reports, tokens, chain.from_iterable(replies))

    def _record_calls(self, reports: Sequence[FillReport], tokens: Sequence[str]) -> Iterator[list[str | float]]:
        for first in range(0, len(reports), REPORTS_PER_CALL):
            words = self._arguments("record")
            some = zip(reports[first : first + REPORTS_PER_CALL], tokens[first : first + REPORTS_PER_CALL], strict=True)
            for (account_id, fill_count, last_fill, _, symbols), token in some:
                words += (account_id, fill_count, _json(last_fill), token, _names(symbols))
            yield words

    def claim(self, account_id: str, token: str) -> RunClaim | DelayedWakeUp | None:
        """Claim the run that a wake-up is for: the claim, a wake-up to send if it is too early, None if it is stale."""
        new_token = uuid4().hex
        what, *details = self._call("claim", account_id, token, new_token)
        if what == "run":
            return _claim(account_id, new_token, details)
        if what == "send":
            return DelayedWakeUp(account_id=account_id, token=new_token, wait_ms=int(details[0]))
        return None

    def claim_due(self, account_id: str, limit: int) -> list[RunClaim]:
        """Claim due runs of the connection of an account that was woken, to be made together."""
        taken = self._call("claim_due", account_id, limit, uuid4().hex)
        return [_claim(account, token, details) for account, token, (_, *details) in taken]

    def complete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """End runs that compared both sides: what they covered is settled."""
        return self._end("complete", runs)

    def incomplete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """End runs that could not: nothing is settled, and each is due again after a growing back-off."""
        return self._end("incomplete", runs)

    def release(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """Put back runs that were not begun: they are due again at once."""
        return self._end("release", runs)

    def _end(self, operation: str, runs: Sequence[RunClaim]) -> list[Finish]:
        calls = [
            (run.account_id, run.token, uuid4().hex, self._random.uniform(0, self._back_off_spread)) for run in runs
        ]
        replies = self._script.call_many(lambda: (self._arguments(operation, *call) for call in calls))
        return [_finish(call[0], call[2], reply) for call, reply in zip(calls, replies, strict=True)]

    def reclaim(self, limit: int, queued: int = 0) -> list[DelayedWakeUp]:
        """Find windows whose lease is over, or that are overdue; return the wake-ups to send.

        At most `limit`, and no more than what the `queued` messages leave uncovered.
        """
        taken = self._call("reclaim", limit, queued, uuid4().hex, OVERDUE_MS, self._sweep_size)
        return [
            DelayedWakeUp(account_id=account, token=token, wait_ms=int(wait_ms)) for account, token, wait_ms in taken
        ]

    def forget(self, account_id: str) -> bool:
        """Remove whatever is kept of an account; return whether there was anything."""
        return bool(self._script.call(*self._arguments("forget", account_id)))

    def look(self, account_ids: Sequence[str]) -> list[WindowFacts | None]:
        """Return what the windows of these accounts hold, for people; None for an account without one."""
        found: list[WindowFacts | None] = []
        for first in range(0, len(account_ids), ACCOUNTS_PER_CALL):
            answers = self._call("look", *account_ids[first : first + ACCOUNTS_PER_CALL])
            found += [WindowFacts(*answer) if answer else None for answer in answers]
        return found

    def activity(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        """Return which symbols of each account were filled when, as far as that is remembered."""
        seen: dict[str, FillActivity] = {}
        for first in range(0, len(account_ids), ACCOUNTS_PER_CALL):
            some = account_ids[first : first + ACCOUNTS_PER_CALL]
            at_ms, since_ms, *symbols = self._call("activity", *some)
            for account_id, packed in zip(some, symbols, strict=True):
                seen[account_id] = FillActivity(at_ms=at_ms, since_ms=since_ms, last_ms=_last_ms(packed))
        return seen

    def _call(self, operation: str, *arguments: str | float) -> list[Any]:
        reply: list[Any] = self._script.call(*self._arguments(operation, *arguments))
        return reply

    def _arguments(self, operation: str, *arguments: str | float) -> list[str | float]:
        return [operation, "" if self.now_ms is None else self.now_ms, *arguments]


def _json(texts: Mapping[str, str | None]) -> str:
    """Return what `json.dumps` would, for texts alone, in a third of its time: each fill pays it."""
    quoted = [f'"{name}":null' if text is None else f'"{name}":{_quoted(text)}' for name, text in texts.items()]
    return f"{{{','.join(quoted)}}}"


def _names(symbols: Collection[str | None]) -> str:
    """Return the symbols as the script reads them, between characters that no symbol has."""
    if len(symbols) == 1:
        (symbol,) = symbols
        return f"\x1e{symbol or ''}\x1f"
    return "".join([f"\x1e{symbol or ''}\x1f" for symbol in symbols])


_MARK = re.compile("\x1e([^\x1f]*)\x1f([0-9]+)")


def _last_ms(packed: str) -> Mapping[str | None, int]:
    last_ms: dict[str | None, int] = {}
    for name, time_ms in _MARK.findall(packed):
        last_ms[name or None] = max(last_ms.get(name or None, 0), int(time_ms))
    return last_ms


def _token(call_id: str) -> str:
    """Return a short name of fixed length: the same for a repeated call, so that it gets the same answer."""
    return blake2b(call_id.encode(), digest_size=8).hexdigest()


#: The replies of `record` that are no number of milliseconds.
_ANSWERS = {
    -1: RecordedFill(outcome=FillOutcome.RECORDED),
    -2: RecordedFill(outcome=FillOutcome.IGNORED),
    -3: RecordedFill(outcome=FillOutcome.REFUSED),
}


def _answers(reports: Sequence[FillReport], tokens: Sequence[str], replies: Iterable[int]) -> list[RecordedFill]:
    return [
        _ANSWERS.get(reply) or _to_send(report.account_id, token, reply)
        for report, token, reply in zip(reports, tokens, replies, strict=True)
    ]


def _to_send(account_id: str, token: str, wait_ms: int) -> RecordedFill:
    wake_up = DelayedWakeUp(account_id=account_id, token=token, wait_ms=wait_ms)
    return RecordedFill(outcome=FillOutcome.RECORDED, wake_up=wake_up)


def _claim(account_id: str, token: str, details: Sequence[Any]) -> RunClaim:
    fill_count, last_fill, first_at, last_at, fence, crashes = details
    return RunClaim(
        account_id=account_id,
        token=token,
        fill_count=int(fill_count),
        last_fill=json.loads(last_fill),
        first_fill_at=_time(first_at),
        last_fill_at=_time(last_at),
        fence=Fence(scope="post_fill", number=int(fence)),
        crashes=int(crashes),
    )


def _finish(account_id: str, new_token: str, reply: Sequence[Any]) -> Finish:
    match reply:
        case ["send", wait_ms]:
            wake_up = DelayedWakeUp(account_id=account_id, token=new_token, wait_ms=int(wait_ms))
            return Finish(outcome=FinishOutcome.CONTINUED, wake_up=wake_up)
        case [outcome]:
            return Finish(outcome=FinishOutcome(outcome))
        case _:
            raise AssertionError(f"fill_window.lua replied {reply!r}")


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
