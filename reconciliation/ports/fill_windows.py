"""The port to the fill windows: when an account is run after its fills, and by which worker."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import Fence, RunRequest


class FillOutcome(str, Enum):
    """What became of a reported fill."""

    RECORDED = "noted"  # a run that begins later will cover it
    IGNORED = "ignored"  # its account is disabled
    REFUSED = "refused"  # its account is not registered


class FillReport(NamedTuple):
    """Fills of one account that are noted together. A tuple, as it is made for each fill."""

    account_id: str
    fill_count: int
    last_fill: Mapping[str, str | None]
    #: The same for every repetition of one report, and for nothing else.
    call_id: str
    #: What all of its fills are of, in the order of coming. None: one of them names no symbol, so it may be of any.
    symbols: Collection[str | None] = (None,)


@dataclass(frozen=True, kw_only=True)
class DelayedWakeUp:
    """A message to be sent: wake the window of this account after `wait_ms`, showing this token."""

    account_id: str
    token: str
    wait_ms: int


@dataclass(frozen=True, kw_only=True)
class RecordedFill:
    """What the windows made of a notice."""

    outcome: FillOutcome
    wake_up: DelayedWakeUp | None = None


@dataclass(frozen=True, kw_only=True)
class RunClaim:
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
    wake_up: DelayedWakeUp | None = None


class FillWindows(Protocol):
    """Decides. Each call is atomic, and may be executed twice with one effect.

    Every method raises `CoordinationError` where the decision could not be had.
    """

    def record(self, reports: Sequence[FillReport]) -> list[RecordedFill]:
        """Note fills; return an answer for each notice, in order."""
        ...

    def claim(self, account_id: str, token: str) -> RunClaim | DelayedWakeUp | None:
        """Show a countdown's token: get the right to run, a countdown to send again, or None for a stale message."""
        ...

    def complete(self, account_id: str, token: str) -> Finish:
        """End a run that compared both sides: what it covered is settled."""
        ...

    def incomplete(self, account_id: str, token: str) -> Finish:
        """End a run that could not: nothing is settled, and it is due again after a growing back-off."""
        ...

    def reclaim_expired(self, limit: int, queued: int) -> list[DelayedWakeUp]:
        """Take over windows whose lease is over, and return the countdowns to send.

        At most `limit`, and at most as many as there are windows beyond the `queued` messages.
        """
        ...


class FillWatch(Protocol):
    """Tells which symbols were filled when, so that no fill in flight is taken for a break. Blocking."""

    def activity(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        """Return a look at the fills of each account.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        ...
