"""The use cases of fills: take them in, run the account once a burst is over, and wake what was forgotten.

When and by whom is decided by the fill windows (a port; `reconciliation.coordination.fill_window`). Every message is
sent after its window was written, so a message that is lost or cannot be sent costs time, never a fill.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from secrets import token_hex
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from reconciliation.errors import CoordinationError, ReconciliationError
from reconciliation.fills.message import FillMessage
from reconciliation.models import Fence, Outcome, ReconciliationResult, RunRequest, Trigger

log = logging.getLogger(__name__)


class FillOutcome(str, Enum):
    """What became of a reported fill."""

    NOTED = "noted"  # a run that begins later will cover it
    IGNORED = "ignored"  # its account is disabled
    REFUSED = "refused"  # its account is not registered


class FillNotice(NamedTuple):
    """Fills of one account that are noted together. A tuple, as it is made for each fill."""

    account_id: str
    fill_count: int
    last_fill: Mapping[str, str | None]
    #: The same for every repetition of one report, and for nothing else.
    call_id: str
    #: What all of its fills are of, in the order of coming. None: one of them names no symbol, so it may be of any.
    symbols: Collection[str | None] = (None,)


@dataclass(frozen=True, kw_only=True)
class Countdown:
    """A message to be sent: wake the window of this account after `wait_ms`, showing this token."""

    account_id: str
    token: str
    wait_ms: int


@dataclass(frozen=True, kw_only=True)
class Noted:
    """What the windows made of a notice."""

    outcome: FillOutcome
    countdown: Countdown | None = None


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """The right to run an account, under `token`, until its lease is over."""

    account_id: str
    token: str
    fill_count: int
    last_fill: Mapping[str, str | None]
    first_fill_at: datetime
    last_fill_at: datetime
    #: A late finish is refused by the ledger too.
    fence: Fence

    def request(self) -> RunRequest:
        """Return the run to make. Its id is the token, so that one right to run is one run."""
        context: dict[str, Any] = {
            "trigger": Trigger.POST_FILL.value,
            **self.last_fill,
            "fill_count": self.fill_count,
            "first_fill_at": self.first_fill_at.isoformat(),
            "last_fill_at": self.last_fill_at.isoformat(),
        }
        return RunRequest(account_id=self.account_id, context=context, run_id=UUID(self.token), fence=self.fence)


class FinishOutcome(str, Enum):
    """What became of the end of a run."""

    SETTLED = "settled"  # nothing is left of the window
    CONTINUED = "continued"  # fills wait: a countdown is to be sent
    GONE = "gone"  # no window is left: forgotten, or settled, be it by this call whose first reply was lost
    SUPERSEDED = "superseded"  # the lease was over and somebody else has it: this run settled nothing


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What the windows made of the end of a run."""

    outcome: FinishOutcome
    countdown: Countdown | None = None


class FillWindows(Protocol):
    """Decides. Each call is atomic, and may be executed twice with one effect.

    Every method raises `CoordinationError` where the decision could not be had.
    """

    def note(self, notices: Sequence[FillNotice]) -> list[Noted]:
        """Note fills; return an answer for each notice, in order."""
        ...

    def arrive(self, account_id: str, token: str) -> StartedRun | Countdown | None:
        """Show a countdown's token: get the right to run, a countdown to send again, or None for a stale message."""
        ...

    def complete(self, account_id: str, token: str) -> Finish:
        """End a run that compared both sides: what it covered is settled."""
        ...

    def incomplete(self, account_id: str, token: str) -> Finish:
        """End a run that could not: nothing is settled, and it is due again after a growing back-off."""
        ...

    def sweep(self, limit: int, queued: int) -> list[Countdown]:
        """Take over windows whose lease is over, and return the countdowns to send.

        At most `limit`, and at most as many as there are windows beyond the `queued` messages.
        """
        ...


class CountdownSender(Protocol):
    """Puts countdowns on the queue; many in one go. Raises on failure."""

    def send(self, countdowns: Sequence[Countdown]) -> None: ...


class Reconciles(Protocol):
    """What is needed of `reconciliation.sweep.Reconciler`."""

    async def reconcile(self, requests: Sequence[RunRequest]) -> list[ReconciliationResult]: ...

    async def give_up(self, requests: Sequence[RunRequest], reason: str) -> list[ReconciliationResult]: ...


class FillIntake:
    """Takes reports of fills: one round trip to Redis however many they are, one message per window they open."""

    def __init__(self, windows: FillWindows, sender: CountdownSender) -> None:
        self._windows = windows
        self._sender = sender

    def take(self, messages: Sequence[FillMessage], call_id: str | None = None) -> list[FillOutcome]:
        """Note the fills and return what became of each, in order. What returns `noted` survives any later crash.

        Args:
            messages: In the order in which they happened.
            call_id: The same for every repetition of this report; by default the report is a new one.

        Raises:
            CoordinationError: Redis did not answer. Report the fills again: a fill noted twice costs nothing.
        """
        call_id = call_id or token_hex(8)
        if len(messages) == 1:  # by far the most frequent, and somebody waits for it
            return self.take_each([(messages[0], call_id)])
        counts: dict[str, int] = {}
        last: dict[str, FillMessage] = {}
        symbols: dict[str, dict[str | None, None]] = {}
        for message in messages:
            account_id = message.account_id
            counts[account_id] = counts.get(account_id, 0) + 1
            last[account_id] = message
            symbols.setdefault(account_id, {})[message.symbol] = None
        notices = [
            FillNotice(account_id, counts[account_id], message.summary(), call_id, symbols[account_id])
            for account_id, message in last.items()
        ]
        outcomes = dict(zip(last, self._note(notices), strict=True))
        return [outcomes[message.account_id] for message in messages]

    def take_each(self, reports: Sequence[tuple[FillMessage, str]]) -> list[FillOutcome]:
        """As `take`, for reports that have each their own `call_id`."""
        return self._note(
            [
                FillNotice(message.account_id, 1, message.summary(), call_id, (message.symbol,))
                for message, call_id in reports
            ]
        )

    def _note(self, notices: Sequence[FillNotice]) -> list[FillOutcome]:
        noted = self._windows.note(notices) if notices else []
        send_or_leave_to_sweep(self._sender, [answer.countdown for answer in noted if answer.countdown])
        return [answer.outcome for answer in noted]


class PostFillRuns:
    """What the countdown task does: run the account if its window is due and the message is not stale."""

    def __init__(self, windows: FillWindows, sender: CountdownSender, reconciler: Reconciles) -> None:
        self._windows = windows
        self._sender = sender
        self._reconciler = reconciler

    async def run(self, account_id: str, token: str) -> dict[str, Any]:
        """Act on an arrived countdown and return what was done, as JSON.

        Raises:
            CoordinationError: Redis did not say what to do; show the same token again.
        """
        decision = await asyncio.to_thread(self._windows.arrive, account_id, token)
        if decision is None:
            return {"did": "dropped"}
        if isinstance(decision, Countdown):
            await self._send(decision)
            return {"did": "waited on", "wait_ms": decision.wait_ms}
        request = decision.request()
        try:
            result = await self._reconcile(request)
        except BaseException as error:  # cancelled at the time limit, or a bug: either way nothing was compared
            is_late = isinstance(error, asyncio.CancelledError)
            await self._tell(request, "the run was given up at its time limit" if is_late else "the worker failed")
            await self._end(self._windows.incomplete, decision)
            raise
        is_complete = result is not None and result.outcome is not Outcome.INCOMPLETE
        window = await self._end(self._windows.complete if is_complete else self._windows.incomplete, decision)
        return {
            "did": "ran",
            "run_id": str(request.run_id),
            "outcome": Outcome.INCOMPLETE.value if result is None else result.outcome.value,
            "fill_count": decision.fill_count,
            "window": window,
        }

    async def _reconcile(self, request: RunRequest) -> ReconciliationResult | None:
        """Return the run's result; None for one that could not be recorded or published."""
        try:
            [result] = await self._reconciler.reconcile([request])
        except ReconciliationError as error:
            log.error("run %s of account %s failed: %s", request.run_id, request.account_id, error)  # noqa: TRY400
            await self._tell(request, str(error))
            return None
        return result

    async def _tell(self, request: RunRequest, reason: str) -> None:
        """Record and publish that the run could not be made, as far as that can be done now: it will be made again."""
        try:
            await self._reconciler.give_up([request], reason)
        except ReconciliationError as error:
            log.warning("run %s of account %s: nobody could be told: %s", request.run_id, request.account_id, error)

    async def _end(self, how: Callable[[str, str], Finish], run: StartedRun) -> str:
        """End the run and return what became of its window."""
        try:
            finish = await asyncio.to_thread(how, run.account_id, run.token)
        except CoordinationError as error:
            log.warning("the window of account %s stays leased; the sweep wakes it: %s", run.account_id, error)
            return "leased"
        if finish.outcome is FinishOutcome.SUPERSEDED:
            log.warning("run %s of account %s ended after its lease: it settled nothing", run.token, run.account_id)
        if finish.countdown is not None:
            await self._send(finish.countdown)
        return finish.outcome.value

    async def _send(self, countdown: Countdown) -> None:
        await asyncio.to_thread(send_or_leave_to_sweep, self._sender, [countdown])


def sweep_fill_windows(windows: FillWindows, sender: CountdownSender, *, limit: int, queued: int) -> int:
    """Wake windows whose lease is over and return how many.

    Args:
        windows: The windows.
        sender: Where their countdowns go.
        limit: The most windows of one sweep.
        queued: Messages that no worker has fetched yet. They will wake windows without our help, so while workers are
            away the queue never outgrows the windows.
    """
    countdowns = windows.sweep(limit, queued)
    send_or_leave_to_sweep(sender, countdowns)
    return len(countdowns)


def send_or_leave_to_sweep(sender: CountdownSender, countdowns: Sequence[Countdown]) -> None:
    """Send; on failure only log, for the windows are written and leased: the sweep sends again when the lease ends."""
    if not countdowns:
        return
    try:
        sender.send(countdowns)
    except Exception:
        log.exception("%d countdowns could not be sent; the sweep wakes their windows", len(countdowns))
