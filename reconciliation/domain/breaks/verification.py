"""Whether what a ledger holds is consistent: the oracle that is asked every hour. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconciliation.domain.breaks.account_health import SYSTEM, AccountEvent
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakEvent, BreakKey, Sightings, apply, replay
from reconciliation.errors import BreakRefusedError

#: How many breaks and accounts a report names of each fault.
SAMPLE = 5
#: The kind of the event that reports a fault.
EVENT_KIND = "ledger_inconsistent"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What one look at the whole ledger found. Nothing in it: all is well."""

    breaks: int
    #: Events of breaks that were neither published nor wait to be; they were queued again.
    requeued: tuple[str, ...] = ()
    #: Breaks that their own history does not lead to.
    differing: tuple[str, ...] = ()
    #: Accounts with live breaks that no run will ever resolve: not registered, or disabled.
    without_runs: tuple[str, ...] = ()

    @property
    def is_consistent(self) -> bool:
        return not (self.requeued or self.differing)

    def event(self, at: datetime) -> AccountEvent | None:
        """Return the event that reports what is wrong, or None."""
        if self.is_consistent:
            return None
        details: dict[str, Any] = {"requeued_events": len(self.requeued), "differing_breaks": len(self.differing)}
        return AccountEvent(
            account_id=SYSTEM, kind=EVENT_KIND, at=at, details={**details, "some": list(self.differing[:SAMPLE])}
        )


def differs_from_history(case: Break, history: Iterable[BreakChange]) -> bool:
    """Say whether a break is not what its history leads to."""
    try:
        return replay(case.key, history) != replace(case, seen=Sightings())
    except BreakRefusedError:
        return True


def event_again(key: BreakKey, history: Sequence[BreakChange], number: int, now: Break) -> BreakEvent:
    """Return the event of one entry of a history as it was, or would have been.

    Args:
        key: of the break.
        history: all of it.
        number: of the entry.
        now: the break as it is: what runs saw last is not part of its history.
    """
    case, change = Break(key=key), history[0]
    for change in history[:number]:
        case = apply(case, change)
    return BreakEvent(case=replace(case, seen=replace(now.seen, amounts=change.amounts)), change=change)
