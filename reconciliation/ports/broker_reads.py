"""Reading many accounts over their connections."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from reconciliation.domain.model.runs import RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import ReadError
from reconciliation.ports.accounts import AccountPlan


class TimeBudget:
    """The time for starting accounts in a sweep. A started account is always finished."""

    def __init__(self, seconds: float = float("inf"), should_stop: Callable[[], bool] = lambda: False) -> None:
        self._deadline = monotonic() + seconds
        self._should_stop = should_stop

    def is_over(self) -> bool:
        return monotonic() >= self._deadline or self._should_stop()


@dataclass(frozen=True, kw_only=True)
class BrokerAnswer:
    """What the broker said of one account, and when that account's turn began."""

    plan: AccountPlan
    snapshot: BrokerSnapshot | ReadError
    start: RunStart


class BrokerReader(Protocol):
    """Reads many accounts over their connections, each within its own time limit."""

    def read(self, plans: Sequence[AccountPlan], budget: TimeBudget) -> AsyncIterator[BrokerAnswer]:
        """Yield the answer to each plan, as they come; the snapshot's account carries our account id.

        A plan that was not started when the budget ended is left out.
        """
        ...
