"""Work breaks by hand, one or many: acknowledge, assign, snooze, accept, resolve, note."""

from collections.abc import Callable, Sequence
from uuid import UUID

from reconciliation.domain.breaks.actions import BreakAction
from reconciliation.domain.breaks.break_ import Break
from reconciliation.ports.breaks import BreakFilter, BreakStore
from reconciliation.ports.bulk_jobs import BulkJob, BulkJobStore
from reconciliation.ports.run_ledger import Recording
from reconciliation.usecases.follow_up import RunFollowUp

#: Breaks of one transaction: runs that wait for their accounts wait for milliseconds.
BATCH_BREAKS = 200


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


class BulkWork:
    """One action on many breaks: a job over the breaks as they were when it was made, each done exactly once.

    A job that was interrupted is resumed by `finish`. It leaves alone what was changed since it was made.

    Args:
        jobs: where jobs are kept.
        follow_up: publishes the events.
    """

    def __init__(self, *, jobs: BulkJobStore, follow_up: RunFollowUp) -> None:
        self._jobs = jobs
        self._follow_up = follow_up

    def start(self, action: BreakAction, selection: str, wanted: BreakFilter | Sequence[str]) -> UUID:
        """Freeze the breaks that a filter, or ids, name now, and return the id of the job. Nothing is changed yet.

        Raises:
            InvalidInputError: there is no such break, or there are too many.
            StorageError: the database cannot be reached.
        """
        return self._jobs.create(action, selection, wanted)

    def finish(self, job_id: str, on_done: Callable[[int], object] = lambda _breaks: None) -> BulkJob:
        """Do what is left of a job, and return it with all its results.

        Args:
            job_id: its id or a clear beginning of it.
            on_done: called after each batch with an upper bound of its number of breaks.

        Raises:
            InvalidInputError: no job, or more than one, has such an id.
            StorageError: the database cannot be reached; what was done stays done.
        """
        job = self._jobs.get(job_id)
        while account_ids := self._jobs.work(job.job_id, limit=BATCH_BREAKS):
            self._follow_up.follow_up(Recording(to_publish=tuple(account_ids)))
            on_done(BATCH_BREAKS)
        return self._jobs.get(str(job.job_id))
