"""After a commit: publish events and request confirmation runs; retry what a crash interrupted."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from reconciliation.domain.breaks.apply_runs import Confirmation
from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import RunRequest, utc_now
from reconciliation.errors import CoordinationError, StorageError
from reconciliation.ports.run_ledger import Recording, WantedConfirmations
from reconciliation.ports.run_queue import RunQueue
from reconciliation.usecases.relay_events import EventRelay

logger = logging.getLogger(__name__)

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:reconciliation-workers:confirmation")

#: A confirmation that is late by this was lost with its worker: it is requested again, under the same run id.
OVERDUE_SECONDS = 10.0
REPAIRS_PER_CALL = 1000


class RunFollowUp:
    """Publishes and requests after a commit, at once and again from beat."""

    def __init__(
        self,
        *,
        relay: EventRelay,
        queue: RunQueue,
        wanted: WantedConfirmations,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._relay = relay
        self._queue = queue
        self._wanted = wanted
        self._now = now

    def follow_up(self, recording: Recording) -> None:
        """Publish the waiting events and request confirmation runs. A Redis that is away is logged."""
        try:
            if recording.to_publish:
                self._relay.publish_waiting(recording.to_publish)
            self._request(recording.to_confirm)
        except (CoordinationError, StorageError) as error:
            logger.warning("events and confirmations wait for the relay: %s", error)

    def repair(self) -> int:
        """Publish what waits, and request confirmations that never came again; return how many events were published.

        Raises:
            CoordinationError: Redis cannot be reached.
            StorageError: the database cannot be reached.
        """
        published = self._relay.publish_waiting()
        self._request(self._wanted.overdue(self._now() - timedelta(seconds=OVERDUE_SECONDS), REPAIRS_PER_CALL))
        return published

    def _request(self, confirmations: Sequence[Confirmation]) -> None:
        if not confirmations:
            return
        wait = max(wanted.due_at for wanted in confirmations) - self._now()
        delay_ms = max(0, round(wait.total_seconds() * 1000))
        self._queue.enqueue([_run_of(wanted) for wanted in confirmations], delay_ms=delay_ms)


def _run_of(wanted: Confirmation) -> RunRequest:
    # The same id for every request: one confirmation is one run.
    run_id = uuid5(_NAMESPACE, f"{wanted.account_id}/{wanted.due_at.isoformat()}")
    context = {"trigger": Trigger.CONFIRMATION.value, "in_a_row": wanted.in_a_row}
    return RunRequest(account_id=wanted.account_id, context=context, run_id=run_id)
