"""Work a break by hand: acknowledge, assign, snooze, accept, resolve, note."""

from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.break_ import Break
from reconciliation.ports.breaks import BreakStore
from reconciliation.ports.run_ledger import Recording
from reconciliation.usecases.follow_up import RunFollowUp


class BreakWork:
    """What a person does to a break: changed in one transaction, then published.

    Args:
        breaks: where breaks are kept.
        follow_up: publishes the event; what it cannot publish now, a worker publishes later.
    """

    def __init__(self, *, breaks: BreakStore, follow_up: RunFollowUp) -> None:
        self._breaks = breaks
        self._follow_up = follow_up

    def act(self, break_id: str, action: BreakAction) -> Break:
        """Change one break, and return it. Once it is changed, nothing raises any more.

        Raises:
            InvalidInputError: no break, or more than one, has such an id.
            BreakRefusedError: the break's state does not allow it.
            StorageError: the database cannot be reached; nothing was changed.
        """
        case = self._breaks.act(break_id, action)
        self._follow_up.follow_up(Recording(to_publish=(case.key.account_id,)))
        return case
