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

    RECORDED = "recorded"  # a run that begins later will cover it
    IGNORED = "ignored"  # its account is disabled
    REFUSED = "refused"  # its account is not registered


class FillReport(NamedTuple):
    """Fills of one account that are recorded together. A tuple, as it is made for each fill."""

    account_id: str
    fill_count: int
    last_fill: Mapping[str, str | None]
    #: The same for every repetition of one report, and for nothing else.
    call_id: str
    #: What all of its fills are of, in the order of coming. None: one of them names no symbol, so it may be of any.
    symbols: Collection[str | None] = (None,)


@dataclass(frozen=True, kw_only=True)
class DelayedWakeUp:
    """A message to send: it arrives after `wait_ms` and claims the run of this account by its token."""

    account_id: str
    token: str
    wait_ms: int


@dataclass(frozen=True, kw_only=True)
class RecordedFill:
    """What became of a report; where it opened a window, the message to send."""

    outcome: FillOutcome
    wake_up: DelayedWakeUp | None = None


@dataclass(frozen=True, kw_only=True)
class RunClaim:
    """The right to run an account until its lease is over; `token` names the lease."""

    account_id: str
    token: str
    fill_count: int
    last_fill: Mapping[str, str | None]
    first_fill_at: datetime
    last_fill_at: datetime
    #: A late end is refused by the ledger too.
    fence: Fence
    #: How many workers died in runs of this window.
    crashes: int = 0

    def request(self) -> RunRequest:
        """Return the run to make. Its id is the token, so that one claim is one run."""
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
    CONTINUED = "continued"  # more fills wait: a wake-up is to be sent
    NO_WINDOW = "gone"  # no window is left: forgotten or settled, perhaps by this call, whose first reply was lost
    SUPERSEDED = "superseded"  # the lease was over and is another worker's: this run settled nothing


@dataclass(frozen=True, kw_only=True)
class Finish:
    """What became of the window at the end of a run."""

    outcome: FinishOutcome
    wake_up: DelayedWakeUp | None = None


class FillWindows(Protocol):
    """Decides when an account is run after its fills, and by which worker. Blocking.

    Each call is atomic, and may be executed twice with one effect. Every method raises `CoordinationError` where Redis
    does not answer.
    """

    def record(self, reports: Sequence[FillReport]) -> list[RecordedFill]:
        """Record fills; return an answer for each report, in order."""
        ...

    def claim(self, account_id: str, token: str) -> RunClaim | DelayedWakeUp | None:
        """Claim the run that a wake-up is for: the claim, a wake-up to send if it is too early, None if it is stale."""
        ...

    def claim_due(self, account_id: str, limit: int) -> list[RunClaim]:
        """Claim due runs of the connection of an account that was woken, to be made together.

        A window in whose run a worker died is not among them.
        """
        ...

    def complete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """End runs that compared both sides: what they covered is settled."""
        ...

    def incomplete(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """End runs that could not: nothing is settled, and each is due again after a growing back-off."""
        ...

    def release(self, runs: Sequence[RunClaim]) -> list[Finish]:
        """Put back runs that were not begun: they are due again at once."""
        ...

    def reclaim(self, limit: int, queued: int) -> list[DelayedWakeUp]:
        """Find windows whose lease is over, or that are overdue; return the wake-ups to send.

        At most `limit`, and no more than what the `queued` messages leave uncovered.
        """
        ...

    def activity(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        """Return which symbols of each account were filled when, so that no fill in flight counts as a break."""
        ...
