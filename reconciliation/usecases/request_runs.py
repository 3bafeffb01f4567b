"""Request runs of many accounts, which the workers make, and see how they end."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from reconciliation.domain.model.models import Trigger
from reconciliation.domain.model.runs import RunRequest
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter, AccountRegistry
from reconciliation.ports.run_queue import RunQueue
from reconciliation.ports.runs import RunHistory

#: Requests in one call of the queue.
MAX_REQUESTS_PER_CALL = 1000


class RunRequests:
    """Requests runs of all enabled accounts with some labels."""

    def __init__(self, *, registry: AccountRegistry, queue: RunQueue, runs: RunHistory) -> None:
        self._registry = registry
        self._queue = queue
        self._runs = runs

    def request(self, labels: Sequence[str]) -> list[UUID]:
        """Put a run of each account on the queue, and return the ids of the runs.

        Raises:
            InvalidInputError: no enabled account has all these labels.
            StorageError: the database cannot be reached.
            CoordinationError: Redis cannot be reached; some runs may be on the queue.
        """
        account_ids = self._registry.find_ids(AccountFilter(labels=labels, enabled=True))
        if not account_ids:
            raise InvalidInputError(f"no enabled account has the label {' and '.join(labels)}")
        context = {"trigger": Trigger.ON_DEMAND.value, "labels": list(labels)}
        requests = [RunRequest(account_id=account_id, context=context) for account_id in account_ids]
        for first in range(0, len(requests), MAX_REQUESTS_PER_CALL):
            self._queue.enqueue(requests[first : first + MAX_REQUESTS_PER_CALL])
        return [request.run_id for request in requests]

    def outcomes(self, run_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        """Return the outcomes of those runs that have ended.

        Raises:
            StorageError: the database cannot be reached.
        """
        return self._runs.outcomes(run_ids)
